"""The page for looking at the data, made from a data set and what was found on it: a folder that opens from disk."""

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipe.browsing.columns import MOST_COLUMNS, shown_columns
from recipe.browsing.listed import NOWHERE, Listed, listed_in, suspicion
from recipe.browsing.sprites import PER_SHEET, write_sheets
from recipe.browsing.surveyed import Surveyed
from recipe.browsing.vectors import byte_vectors
from recipe.browsing.worth import to_do
from recipe.dataset.counted import counted
from recipe.dataset.kind import kind_of
from recipe.dataset.stored import Dataset
from recipe.runtime.workspace import fingerprint, write_whole

FOLDER = Path("reports/data/browse")  # in the workspace
PAGE = "index.html"
DATA, VECTORS = "data.js", "vectors.js"
MOST_EXAMPLES = 100_000  # on a page; a browser holds these and stays quick
EXPECTED = 3  # classes, the likeliest, told of each example
MOST_TOLD = 20_000  # lines of a practice that say why; the flags themselves are all there


@dataclass(frozen=True)
class Browsed:
    """A page that was written: where, of how many examples, and the sentences on what it leaves out."""

    page: Path
    shown: int
    notes: tuple[str, ...]


def write_browser(surveyed: Surveyed) -> Browsed:
    """Write the page with its data, pictures and scripts to reports/data/browse/ of the workspace.

    Raises:
        WorkspaceError: the folder cannot be written.
    """
    dataset, folder = surveyed.dataset, surveyed.dataset.workspace / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    listed = listed_in(surveyed.findings, dataset.workspace / "reports", dataset.manifest["id"])
    rows = _chosen(suspicion(listed, len(dataset.manifest)))
    columns = shown_columns(dataset, rows, listed)
    notes = (*_cut(len(rows), len(dataset.manifest)), *_narrowed(columns.left_out))
    content = {
        **_named(dataset),
        "count": len(rows),
        "columns": columns.columns,
        "thumbnails": _thumbnails(dataset, rows, folder),
        "originals": _originals(dataset),
        "todo": [asdict(one) for one in to_do(surveyed.findings, listed, dataset.manifest["split"])],
        "ran": len(surveyed.findings),
        "expected": _expected(surveyed.probabilities, rows),
        "listed": _told(listed, rows, len(dataset.manifest)),
        "notes": notes,
    }
    write_whole(folder / DATA, _script("browsed", content))
    write_whole(folder / VECTORS, _script("vectors", _vectors(dataset, rows)))
    _copy_assets(folder)
    return Browsed(folder / PAGE, len(rows), notes)


def _chosen(suspicions: np.ndarray) -> np.ndarray:
    """The rows (n,) on the page, in the data set's order: of too many half the most suspicious, the others evenly."""
    count = len(suspicions)
    if count <= MOST_EXAMPLES:
        return np.arange(count)
    order = np.argsort(-np.nan_to_num(suspicions, nan=-1.0), kind="stable")
    first, rest = order[: MOST_EXAMPLES // 2], np.sort(order[MOST_EXAMPLES // 2 :])
    evenly = rest[np.linspace(0, len(rest) - 1, MOST_EXAMPLES - len(first)).astype(int)]
    return np.sort(np.concatenate([first, evenly]))


def _cut(shown: int, count: int) -> tuple[str, ...]:
    if shown == count:
        return ()
    return (
        f"The page shows {shown:,} of {count:,} examples: the {MOST_EXAMPLES // 2:,} with the highest suspicion, and "
        "of the others an even share. The tables in reports/tables/ list them all.",
    )


def _narrowed(left_out: int) -> tuple[str, ...]:
    if not left_out:
        return ()
    are = f"{counted(left_out, 'more column')} of yours {'is' if left_out == 1 else 'are'}"
    return (f"{are} left out here: a browser holds no more, {MOST_COLUMNS} at most.",)


def _named(dataset: Dataset) -> dict[str, Any]:
    """What the data set is called; `key` names it where the browser keeps a person's marks."""
    data = dataset.settings.data
    called = {"name": data.name, "source": PurePosixPath(str(data.path)).name, "label": data.label}
    return {
        "name": data.name,
        "key": fingerprint(called),
        "example": kind_of(dataset.preparation).example,
        "classes": dataset.preparation.get("classes") or [],
    }


def _thumbnails(dataset: Dataset, rows: np.ndarray, folder: Path) -> dict[str, Any] | None:
    """The sheets of the examples' pictures; None where the kind has none."""
    pictures = kind_of(dataset.preparation).pictures
    if pictures is None or not len(rows):
        return None
    parts = (rows[start : start + PER_SHEET] for start in range(0, len(rows), PER_SHEET))
    return asdict(write_sheets((pictures(dataset.inputs[part]) for part in parts), folder))


def _expected(probabilities: NDArray[np.float64] | None, rows: np.ndarray) -> dict[str, Any] | None:
    """Of each example the likeliest classes by their number, and how likely they are in per cent, the first first."""
    if probabilities is None:
        return None
    most = min(EXPECTED, probabilities.shape[1])
    classes = np.argsort(-probabilities[rows], axis=1, kind="stable")[:, :most]
    shares = np.rint(100 * np.take_along_axis(probabilities[rows], classes, axis=1)).astype(int)
    return {"each": most, "classes": classes.ravel().tolist(), "shares": shares.ravel().tolist()}


def _originals(dataset: Dataset) -> str | None:
    """The way from the page to the folder of the files, where it lies in the workspace: no other is anybody's."""
    data = Path(str(dataset.settings.data.path))
    root = dataset.workspace.resolve()
    place = (root / data).resolve()
    if not place.is_dir() or not place.is_relative_to(root) or data.is_absolute():
        return None
    return "/".join([*[".."] * len(FOLDER.parts), *place.relative_to(root).parts])


def _told(listed: Sequence[Listed], rows: np.ndarray, count: int) -> list[dict[str, Any]]:
    """Why each practice flags what it does: of each line the example, the other one of a pair or -1, and the cells."""
    places = np.full(count + 1, NOWHERE)  # the last for the row -1: nowhere stays nowhere
    places[rows] = np.arange(len(rows))
    told = []
    for one in listed:
        lines = one.told.head(MOST_TOLD)
        why = [name for name in lines.columns if str(name).startswith("why ")]
        cells = zip(
            places[lines["row"]].tolist(), places[lines["other"]].tolist(), *(lines[name] for name in why), strict=True
        )
        names = [str(name).removeprefix("why ") for name in why]
        told.append({"practice": one.practice, "columns": names, "lines": [list(line) for line in cells]})
    return told


def _vectors(dataset: Dataset, rows: np.ndarray) -> dict[str, Any]:
    """Signed bytes in base64, an example after another; none where a distance says nothing."""
    kind = kind_of(dataset.preparation)
    inputs = dataset.inputs if len(rows) == len(dataset.inputs) else dataset.inputs[rows]
    if not len(rows) or not kind.comparable(inputs):
        return {"width": 0, "bytes": ""}
    vectors = byte_vectors(inputs, kind.pooled)
    return {"width": vectors.shape[1], "bytes": base64.b64encode(vectors.tobytes()).decode("ascii")}


def _script(name: str, content: Any) -> str:
    """`content` as a script that sets `window.name`: a page from disk may run one, but may not fetch.

    Nothing of the data's own can end or begin anything there: all but ASCII is escaped, and so is `<`.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"window.{name}={text.replace('<', chr(92) + 'u003c')};\n"


def _copy_assets(folder: Path) -> None:
    """What the page is drawn with: our own, and the grid component with its licence."""
    for asset in files("recipe.browsing").iterdir():
        if asset.name.endswith((".html", ".css", ".js", ".txt")):
            write_whole(folder / (PAGE if asset.name == "page.html" else asset.name), asset.read_bytes())
