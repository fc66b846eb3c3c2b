"""The data kinds that there are: by the names of their files, none of which is imported."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

KINDS = Path(__file__).parent.parent / "dataset" / "kinds"
BUILTIN = "builtin"  # a data set that the library knows by its name, of a kind of its own
# The built-in data sets that come in files at data.path, each with the command that installs them, if there is one.
READ_FROM_FILES: dict[str, str | None] = {"fashion_mnist": "apt-get install dataset-fashion-mnist", "mnist": None}
FOLDER = "_folder"  # ends the name of a kind that reads a folder, whose name has no ending to be left out


@cache
def kind_names() -> tuple[str, ...]:
    """What a data set of one's own may be, sorted."""
    return tuple(sorted(path.stem for path in KINDS.glob("[a-z]*.py")))


def in_words(names: tuple[str, ...]) -> str:
    """`'a', 'b' or 'c'`."""
    quoted = [repr(name) for name in names]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def comes_with_a_package(data: Mapping[str, Any]) -> bool:
    """Whether the data set of these settings, `data`, lies in an installed package, so that data.path says nothing."""
    return data["kind"] == BUILTIN and data["name"] not in READ_FROM_FILES
