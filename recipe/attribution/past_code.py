"""The code that past runs were made with: as it lies in the workspace, else brought back from git."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from recipe.dataset.store import whole_folder
from recipe.tracking.past_runs import SHORT, PastRun
from recipe.versioning.provenance import code_in

ARCHIVE_SECONDS = 120.0  # git packs a repository of a gigabyte in less


@dataclass(frozen=True)
class Code:
    """Some code: what a person calls it, and the folder that holds it; None where it is gone, with the reason."""

    name: str
    folder: Path | None
    lack: str = ""


def code_of_both(workspace: Path, a: PastRun, b: PastRun, into: Path) -> tuple[Code, Code]:
    """The code of two runs, one and the same wherever one will do for both.

    Args:
        into: the folder that gets what git brings back.

    Raises:
        WorkspaceError: the disk cannot be written.
    """
    present = Code("the present code", workspace)
    exported = [code for run in (a, b) if run.commit and (code := _exported(workspace, run.commit, into))]
    at_hand = [present, *exported]
    for code in at_hand:
        if _made(code, a) and _made(code, b):
            return code, code
    of_a, of_b = (next((code for code in at_hand if _made(code, run)), _lacking(run, exported)) for run in (a, b))
    return of_a, of_b


def _made(code: Code, run: PastRun) -> bool:
    """Whether `run` was made by this very code."""
    folder = code.folder
    return folder is not None and (folder / "dvc.yaml").is_file() and code_in(folder, run.settings) == run.code


def _lacking(run: PastRun, exported: list[Code]) -> Code:
    """The code of a run that nothing at hand is the code of."""
    if not run.commit:
        return Code("not in git", None, f"{run.name} was measured outside git, and its code is no longer here")
    short = run.commit[:SHORT]
    if short not in [code.name for code in exported]:
        return Code(f"{short}, gone", None, f"the commit {short} of {run.name} is not in this repository")
    return Code(f"{short} and changes", None, f"{run.name} was made with changes that the commit {short} does not hold")


def _exported(workspace: Path, commit: str, into: Path) -> Code | None:
    """The workspace's files at `commit`; None where git does not have it."""
    folder = into / commit
    if folder.is_dir():
        os.utime(folder)
    else:
        archive = _git(workspace, "archive", "--format=tar", commit)
        if archive is None:
            return None
        with whole_folder(folder) as out, tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(out, filter=_harmless)
    return Code(commit[:SHORT], folder)


def _harmless(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """A file of an archive, unless it is a link that leads outside."""
    try:
        return tarfile.data_filter(member, folder)
    except tarfile.FilterError:
        return None


def _git(workspace: Path, *words: str) -> bytes | None:
    """What git answers in the workspace; None where it has no answer."""
    command = ["git", "-C", str(workspace), *words]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=ARCHIVE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
