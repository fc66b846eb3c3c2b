"""Links in the data that lead nowhere: DVC cannot hash one, stops, and names no more than the first."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from recipe.settings import load_settings

UNHASHED = re.compile(r"^ERROR: failed to reproduce 'ingest': \[Errno (2|40)\] ", re.MULTILINE)  # ENOENT, ELOOP
NAMED = 3  # of the links, in the sentence


def sentence_on_dead_links(workspace: Path, output: str) -> str | None:
    """Why DVC stopped with `output`, where dead links in data.path are the reason; they are looked for only then."""
    if not UNHASHED.search(output):
        return None
    root = (workspace / load_settings(workspace).data.path).resolve()
    names = sorted(_dead_links(root))
    if not names:
        return None
    first = ", ".join(names[:NAMED])
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    links = "1 link that leads" if len(names) == 1 else f"{len(names):,} links that lead"
    return (
        f"{root} has {links} nowhere ({first}{more}), and DVC can give no version to data with such a link: mend or "
        f"remove {'it' if len(names) == 1 else 'them'}, as "
        f"`find {shlex.quote(str(root))} -type l ! -exec test -e {{}} \\; -delete` does."
    )


def _dead_links(root: Path) -> Iterator[str]:
    """Every link below `root` that leads to nothing or to itself, by its name; hidden ones too, as DVC reads them."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 (Path.exists raises where a link loops)
                yield str(path.relative_to(root))
