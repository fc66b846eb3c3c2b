"""Text files that people write and edit, read with a sentence for what keeps them from being read."""

from pathlib import Path

from recipe.errors import DataError

MOST_BYTES = 64 * 2**20  # half a million lines: more is another file, taken for this one


def text_in(path: Path, name: str) -> str:
    """The text in a file, which is UTF-8, perhaps with a byte order mark.

    Args:
        name: what the file is called in a sentence.

    Raises:
        DataError: it cannot be opened, is larger than `MOST_BYTES`, or is no such text; with the line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{name} is larger than {MOST_BYTES >> 20} MB, as no such list is: name another.")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"Line {line} of {name} is not UTF-8: save the file as CSV in UTF-8.") from error
    before, nul, _ = text.partition("\0")
    if nul:
        line = before.count("\n") + 1
        raise DataError(f"Line {line} of {name} holds a NUL, as no text does: save the file as CSV in UTF-8.")
    return text
