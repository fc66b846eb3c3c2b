"""`recipe init`: a workspace in an empty folder or beside what is there, of which nothing is overwritten."""

import difflib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe.errors import WorkspaceError
from recipe.runtime.workspace import write_whole
from recipe.scaffold.template import FOLDERS, ignored, template
from recipe.settings import PARAMS
from recipe.settings.composition import compose_params

OURS = "python -m tasks.ingest"  # in the dvc.yaml of a workspace
DVC_SETTINGS = """\
[core]
    analytics = false
    check_update = false
    autostage = false
[hydra]
    enabled = true
"""
SECONDS = 120.0  # for git, or DVC, to make a repository


@dataclass(frozen=True)
class Made:
    """What was made, by name, and what was left as it was, of another content than it would have been made with."""

    folder: Path
    made: tuple[str, ...]
    others: tuple[str, ...]


def make_workspace(folder: Path) -> Made:
    """Make `folder` a workspace; what is there stays as it is.

    Raises:
        WorkspaceError: it is a file, cannot be written, holds a pipeline of another kind, or git or DVC does not work.
    """
    _refuse_foreign(folder)
    made: list[str] = []
    others: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in template():
            path = folder / name
            if not path.exists():
                write_whole(path, content)
                made.append(name)
            elif _text(path) != content:
                others.append(name)
        if _add_ignored(folder / ".gitignore"):
            made.append(".gitignore")
        for name in ("data/raw", "data/incoming"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(f"Cannot write {error.filename or folder}: {error.strerror or error}.") from error
    made += _repositories(folder)
    if not (folder / PARAMS).exists():
        compose_params(folder, [])
        made.append(PARAMS)
    return Made(folder, tuple(made), tuple(others))


def changes(folder: Path) -> Iterator[str]:
    """What the installed library would have otherwise in the workspace `folder`: lines of a patch, none where nothing.

    Raises:
        WorkspaceError: it is no workspace.
    """
    if not _is_ours(folder):
        raise WorkspaceError(f"{folder} is no workspace yet: make it one with `recipe init {folder}`.")
    for name, content in template():
        held = _text(folder / name)
        if held != content:
            before = f"a/{name}" if held is not None else "/dev/null"
            lines = ((held or "").splitlines(keepends=True), content.splitlines(keepends=True))
            yield f"diff --git a/{name} b/{name}\n" + ("new file mode 100644\n" if held is None else "")
            yield from difflib.unified_diff(*lines, before, f"b/{name}")


def summary(made: Made) -> Sequence[str]:
    """What to say of it, and what to do next."""
    told = [f"{made.folder} is a workspace."]
    if made.made:
        told.append(f"made: {', '.join(_by_folder(made.made))}")
    if made.others:
        told.append(f"left as they were, though the library has them otherwise: {', '.join(_by_folder(made.others))}")
    return [
        *told,
        "next, in there:",
        "  recipe run data=digits budget=quick                              a first look, in a minute",
        "  recipe run data=table data.path=rows.csv data.label=price        your table",
        "  python -m pytest tests                                           the practices, asked of your model",
    ]


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file: name a folder, `recipe init DIR`.")
    if (folder / "dvc.yaml").is_file() and not _is_ours(folder):
        raise WorkspaceError(f"{folder} has a dvc.yaml of another pipeline: name another folder, `recipe init DIR`.")


def _is_ours(folder: Path) -> bool:
    return OURS in (_text(folder / "dvc.yaml") or "")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None if not path.exists() else ""


def _add_ignored(path: Path) -> bool:
    """Add the lines that are missing from a .gitignore; gives whether there were any."""
    held = (_text(path) or "").splitlines()
    missing = [line for line in ignored() if line and not line.startswith("#") and line not in held]
    if missing:
        before = [*held, ""] if held else []
        write_whole(path, "\n".join([*before, "# Made by training-recipe and its tools", *missing]) + "\n")
    return bool(missing)


def _repositories(folder: Path) -> list[str]:
    """Make a git repository and DVC's, where there is none around `folder`; gives what was made."""
    made = []
    if _answer(folder, "git", "rev-parse", "--show-toplevel") is None:
        _carried_out(folder, "git", "init", "--quiet")
        made.append("git's repository")
    if not any((parent / ".dvc").is_dir() for parent in (folder.resolve(), *folder.resolve().parents)):
        top = _answer(folder, "git", "rev-parse", "--show-toplevel") or ""
        apart = [] if os.path.realpath(top) == os.path.realpath(folder) else ["--subdir"]
        _carried_out(folder, sys.executable, "-m", "dvc", "init", "--quiet", *apart)
        write_whole(folder / ".dvc" / "config", DVC_SETTINGS)
        _carried_out(folder, "git", "add", ".dvc/config")
        made.append("DVC's repository")
    return made


def _answer(folder: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError as error:
        raise WorkspaceError(f"{command[0]} is not installed, and a workspace needs it: install it.") from error
    return done.stdout.strip() if done.returncode == 0 else None


def _carried_out(folder: Path, *command: str) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    try:
        subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        output = getattr(error, "stderr", None) or str(error)
        reason = output.strip().splitlines()[-1] if output.strip() else type(error).__name__
        raise WorkspaceError(f"`{' '.join(command[-4:])}` did not work in {folder}: {reason}.") from error


def _by_folder(names: Sequence[str]) -> list[str]:
    """The names, those of a folder of the template as one."""
    return list(dict.fromkeys(f"{name.partition('/')[0]}/" if name.startswith(FOLDERS) else name for name in names))
