"""The installed library as a workspace without a copy of it knows it: by a line in its requirements.lock."""

import hashlib
from functools import cache
from pathlib import Path

from recipe.errors import WorkspaceError

LOCK = "requirements.lock"
MARK = "# training-recipe's code: "
TEMPLATE = "template"  # in an installed library: the files of a workspace
PACKAGE = Path(__file__).parent.parent


def require_installed_code(workspace: Path) -> None:
    """Refuse to work with another library than that of the workspace; one that holds the library itself names none.

    Raises:
        WorkspaceError: the installed one is another.
    """
    named = named_code(workspace)
    if named and named != installed_code():
        raise WorkspaceError(
            f"{workspace / LOCK} names another training-recipe than is installed: install that one by "
            f"`pip install -r {LOCK}`, or see what the installed one changes by `recipe init --upgrade`."
        )


def named_code(workspace: Path) -> str | None:
    """The code that the workspace's requirements.lock names; None where it names none."""
    path = workspace / LOCK
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return next((line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)), None)


@cache
def installed_code() -> str:
    """Names the code of the library: equal on every machine that has the same."""
    digest = hashlib.blake2b(digest_size=16)
    modules = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}
    for place in sorted(modules):
        if place.parts[0] != TEMPLATE:  # which a clone does not have, and every workspace its own of
            digest.update(place.as_posix().encode())
            digest.update(modules[place].read_bytes())
    return digest.hexdigest()
