"""The data kinds that there are: by the names of their files, none of which is imported."""

from functools import cache
from pathlib import Path

KINDS = Path(__file__).parent.parent / "dataset" / "kinds"
BUILTIN = "builtin"  # a data set that comes with a package, of a kind of its own
FOLDER = "_folder"  # ends the name of a kind that reads a folder, whose name has no ending to be left out


@cache
def kind_names() -> tuple[str, ...]:
    """What a data set of one's own may be, sorted."""
    return tuple(sorted(path.stem for path in KINDS.glob("[a-z]*.py")))


def in_words(names: tuple[str, ...]) -> str:
    """`'a', 'b' or 'c'`."""
    quoted = [repr(name) for name in names]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
