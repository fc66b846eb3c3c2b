"""What lies in a folder of images: a folder a class, or a labels.csv; nothing outside the folder is ever read."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

import numpy as np
import pandas as pd

from recipe.dataset.counted import counted
from recipe.dataset.labels import label_text, plain_numbers, read_labels
from recipe.dataset.manifest import COLUMNS, DECIDED, PLAIN_LABELS, Rejected, Task, no_column, optional, user_column
from recipe.dataset.number_styles import sign_of_file
from recipe.dataset.preparation import FORMATS
from recipe.dataset.readings import Reading, read_columns, typed
from recipe.dataset.roles import require_no_columns, require_roles, roles_in, without_ignored
from recipe.dataset.splits import SPLIT_NAMES, TRAIN
from recipe.dataset.table_files import read_table
from recipe.dataset.taken import (
    folders_left_out_taken,
    groups_taken,
    labels_taken,
    notes_on_columns,
    notes_on_labels,
    notes_on_target,
)
from recipe.dataset.time_order import offer_of_time
from recipe.dataset.times import TIME, Times, notes_on_times, times_in
from recipe.errors import DataError
from recipe.runtime.workspace import shown
from recipe.settings import Data, nearest

LABELS = "labels.csv"
NOT_EXAMPLES = ("Thumbs.db", "desktop.ini", "__MACOSX")  # left by file managers; so is what starts with a dot
LINK_TO_ITSELF = "it is a link that leads to itself"
DEEPEST_CONTRAST = 0.5  # the standard deviation of values in 0..1, half of them 0 and half 1
MEASURED: dict[str, tuple[float, float | None] | None] = {  # of each image, and the range that it is in
    "width": (1, None),
    "height": (1, None),
    "mode": None,
    "file_size": (1, None),
    "file_type": None,
    "brightness": (0, 1),
    "contrast": (0, DEEPEST_CONTRAST),
}
NAMED = 12  # class folders, in an error
IMAGE_SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)

Found = tuple[tuple[str, ...], Path | None]  # a file: the parts of its name, and where it is, or None: nothing to read


@dataclass(frozen=True)
class ImageFile:
    """An image to decode: where it is, its name relative to the folder, its label, and its row in the listing."""

    path: Path
    name: str
    label: str
    row: int


@dataclass(frozen=True)
class Listing:
    """The labelled images of a folder.

    `table` has path, label, split, group, the user's own columns, and of a split by time the time; `times` are those of
    all rows that were listed.
    """

    root: Path
    files: list[ImageFile]
    table: pd.DataFrame
    task: Task
    rejected: list[Rejected] = field(default_factory=list)
    user_columns: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    label_reading: dict[str, Any] = field(default_factory=lambda: dict(PLAIN_LABELS))
    times: Times | None = None


def list_images(root: Path, data: Data) -> Listing:
    """What `root` holds, by its labels.csv where there is one, else by its class folders.

    Raises:
        DataError: it is no folder, is empty, has no classes, or its labels.csv cannot be used.
    """
    return _listed(root, _labelled, data)


def list_inputs(root: Path, data: Data, task: Task, classes: Sequence[str]) -> Listing:
    """Every image below `root`, with what its class folder or a labels.csv says of it; none needs a label.

    Raises:
        DataError: it is no folder, is empty, or its labels.csv names no paths.
    """
    return _listed(root, partial(_inputs, task=task, classes=classes), data)


def _listed(root: Path, read: Callable[[Path, Data], Listing], data: Data) -> Listing:
    if root.is_file():
        raise DataError(f"{root} is a file where a folder of images is due: set data.path to the folder.")
    if not root.exists():
        raise DataError(f"{root} does not exist: set data.path to a folder of images.")
    root = root.resolve()
    try:
        return read(root, data)
    except OSError as error:
        raise DataError(f"Cannot read {error.filename or root}: {error.strerror or error}.") from error


def _labelled(root: Path, data: Data) -> Listing:
    return _by_labels(root, data) if (root / LABELS).is_file() else _by_folders(root, data)


def _by_labels(root: Path, data: Data) -> Listing:
    where = root / LABELS
    table = read_table(where)
    frame = without_ignored(table.frame, where, data)
    for role, name in (("image file", "path"), ("label", data.label)):
        if name not in frame.columns:
            raise DataError(no_column(where, role, name, frame.columns, f"rename one '{name}'"))
    roles = require_roles(where, frame.columns, data)
    labels = read_labels(frame[data.label], data, where, sign_of_file(frame[name] for name in frame))
    readings = _readings(frame, data)
    times = times_in(table, readings, None, where, data)
    timeless = pd.Series(np.nan, index=frame.index) if times is None else times.faults
    names = _as_files_are_spelt(_paths(frame["path"]), root)
    rejected = [Rejected(f"{LABELS} {item.path}", item.reason, item.kind) for item in table.malformed]
    kept: list[tuple[int, Path]] = []
    told = zip(names, labels.text.fillna(""), labels.faults, timeless, strict=True)
    for row, (name, label, fault, no_time) in enumerate(told):
        path, reason, kind = _inside(root, name)
        if path is None:
            rejected.append(Rejected(name, reason, kind, label))
        elif isinstance(fault, str):
            rejected.append(Rejected(name, fault, "label", label))
        elif isinstance(no_time, str):
            rejected.append(Rejected(name, no_time, "malformed", label))
        else:
            kept.append((row, path))
    if not kept:
        raise DataError(
            f"{where} names no image that can be used; the first, {rejected[0].path}: {rejected[0].reason}."
        )
    rows = [row for row, _ in kept]
    frame = frame.iloc[rows].reset_index(drop=True)
    users = _user_columns(frame, data, readings, times)
    text = labels.text[rows].reset_index(drop=True)
    listed = pd.DataFrame(
        {
            "path": names[rows].reset_index(drop=True),
            "label": plain_numbers(text, labels.style),
            "split": optional(frame.get(roles.split), len(frame)),
            "group": optional(frame.get(roles.group), len(frame)),
        }
    )
    if times is not None:
        listed[TIME] = times.values.iloc[rows].reset_index(drop=True)
    files = [ImageFile(path, listed["path"][row], listed["label"][row], row) for row, (_, path) in enumerate(kept)]
    quantity = notes_on_target(labels, data.label, data.target)
    notes = [*notes_on_labels(labels, data.label), *quantity, *_unlisted(root, set(names)), *_notes_on_links(files)]
    notes += _notes_on_time(table.frame, readings, times, data) if listed["split"].isna().all() else ()
    images = f"{root.name}: {LABELS} names {len(names):,} images"
    taken = [images, labels_taken(labels, data.label, data.target), groups_taken(listed, roles.group)]
    listed = pd.concat([listed, users], axis="columns")
    own, how = list(users.columns), labels.as_json()
    return Listing(root, files, listed, labels.task, rejected, own, notes, taken, how, times)


def _paths(column: pd.Series) -> pd.Series:
    return column.str.strip().str.replace("\\", "/").reset_index(drop=True)


def _as_files_are_spelt(names: pd.Series, root: Path) -> pd.Series:
    """`names`, each in the form of Unicode that the file of that name has: disks and lists differ in it."""
    if names.map(str.isascii).all():
        return names
    spelt = {normalize("NFC", name): name for name, _ in files_below(root)}
    return names.map(lambda name: spelt.get(normalize("NFC", name), name))


def _readings(listed: pd.DataFrame, data: Data) -> dict[str, Reading]:
    """How the columns are read that a labels.csv has beside path, label, split and group."""
    own = [name for name in listed.columns if name not in ("path", *roles_in(listed.columns, data).names)]
    asked = {name: how for name, how in data.read_as.items() if name in own}
    return read_columns(listed[own], None, data.missing, asked)


def _user_columns(
    listed: pd.DataFrame, data: Data, readings: dict[str, Reading], times: Times | None = None
) -> pd.DataFrame:
    """The columns that are read so, but for that of the times, under the names that they have in the manifest."""
    own = [name for name in readings if times is None or name != times.column]
    taken = (*COLUMNS[:-1], *MEASURED, DECIDED, *([TIME] if data.split.by == "time" else []))
    return typed(listed[own], readings).rename(columns={name: user_column(name, taken) for name in own})


def _notes_on_time(
    listed: pd.DataFrame, readings: dict[str, Reading], times: Times | None, data: Data
) -> Iterator[str]:
    """How the column of a split by time was read; without such a split, that it is to be had."""
    if times is None:
        yield from offer_of_time(listed, readings, data)
    else:
        yield from notes_on_columns({times.column: times.reading}, listed)
        yield from notes_on_times(times)


def _inside(root: Path, name: str) -> tuple[Path | None, str, str]:
    """The file that a labels.csv names, or why it is refused and the kind of that."""
    relative, circle = PurePosixPath(name), (None, LINK_TO_ITSELF, "outside")
    try:
        if not name or relative.is_absolute() or ".." in relative.parts or not _leads_inside(root / name, root):
            return None, "the path is empty or leads outside data.path", "outside"
        is_file = (root / name).is_file()
        if not is_file and _leads_to_itself(root / name):
            return circle
    except RuntimeError:  # so pathlib's resolve() before Python 3.13 calls it; later it says nothing
        return circle
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        is_file = False
    return (root / name, "", "") if is_file else (None, f"{LABELS} names it, and there is no such file", "missing")


def _leads_inside(path: Path, root: Path) -> bool:
    if path.is_symlink():
        return path.resolve().is_relative_to(root)
    return _folder_leads_inside(path.parent, root)


def _leads_to_itself(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError) as error:  # a ValueError of what is no path at all, such as one with a null byte
        return isinstance(error, OSError) and error.errno == errno.ELOOP
    return False


@cache
def _folder_leads_inside(folder: Path, root: Path) -> bool:
    return folder.resolve().is_relative_to(root)


def _unlisted(root: Path, listed: set[str]) -> list[str]:
    found = [name for name, _ in files_below(root) if is_image_name(name)]
    unlisted = [name for name in found if name not in listed]
    if not unlisted:
        return []
    if len(unlisted) == 1:
        return [f"1 image in {root} is not named in {LABELS} and is left out: {unlisted[0]}."]
    return [f"{len(unlisted):,} images in {root} are not named in {LABELS} and are left out, such as {unlisted[0]}."]


def _by_folders(root: Path, data: Data) -> Listing:
    """A folder a class; or train, validation and test folders that hold one each."""
    found, beside = _without_annotations(root)
    folders = sorted({parts[0] for parts, _ in found if len(parts) > 1})
    if not folders:
        raise DataError(
            f"{root} holds no folder of images per class and no {LABELS}: add one of the two, or set data.path."
        )
    require_no_columns(root, data)
    splits = _split_folders([parts for parts, _ in found])
    depth = 1 if splits else 0
    found, left_out = _without_ignored_classes(found, splits, root, data)
    listed, rejected, strays, outside = [], [], list[str](), Counter[str]()
    for parts, path in found:
        name = shown("/".join(parts))
        if splits and parts[0] not in splits and len(parts) > 1:
            outside[parts[0]] += 1
        elif path is None:
            label = parts[depth] if len(parts) > depth + 1 else ""
            rejected.append(Rejected(name, _why_no_file(root, "/".join(parts)), "outside", label))
        elif len(parts) < depth + 2:
            if is_image_name(name):
                rejected.append(Rejected(name, "it lies in no class folder", "label"))
            else:
                strays.append(name)
        else:
            listed.append((path, name, shown(parts[depth]), parts[0] if splits else None))
    if not listed:
        raise DataError(f"{root} holds no file that can be read in its {len(folders)} folders: set data.path.")
    table = pd.DataFrame([(name, label, split) for _, name, label, split in listed], columns=["path", "label", "split"])
    table = table.astype("str").assign(group=optional(None, len(table)))
    labels = read_labels(table["label"], data, root)
    usable = labels.faults.isna().to_numpy()
    table["label"] = labels.text
    rejected += [
        Rejected(name, fault, "label", label)
        for name, label, fault in zip(
            table["path"][~usable], table["label"][~usable], labels.faults[~usable], strict=True
        )
    ]
    kept = [item for item, keep in zip(listed, usable, strict=True) if keep]
    table = table[usable].reset_index(drop=True)
    files = [
        ImageFile(path, name, label, row)
        for row, ((path, name, *_), label) in enumerate(zip(kept, table["label"], strict=True))
    ]
    notes = [
        *notes_on_labels(labels, "the folders"),
        *_empty_classes(root, [*folders, *left_out]),
        *_notes_on_links(files),
    ]
    notes += [_not_read(root, folder, count) for folder, count in outside.items()]
    if strays:
        notes.append(f"Beside the folders lie files that are not read: {len(strays)}, such as {strays[0]}.")
    if beside:
        lie, do = ("lies", "an annotation does") if beside == 1 else ("lie", "annotations do")
        files_beside = counted(beside, "file")
        notes.append(f"{files_beside} in {root} {lie} beside an image of the same name, as {do}: not read.")
    held = f"folders {', '.join(splits)}, each with a folder a class" if splits else "a folder a class"
    taken = [
        f"{root.name}: {held}",
        f"{labels.text.nunique()} classes"
        if labels.task == "classification"
        else labels_taken(labels, "of the folders"),
        folders_left_out_taken(left_out),
    ]
    return Listing(root, files, table, labels.task, rejected, [], notes, taken, labels.as_json())


def _notes_on_links(files: Sequence[ImageFile]) -> Iterator[str]:
    """That files are links, each of which is an example, and so a copy of what it leads to."""
    links = [file.name for file in files if file.path.is_symlink()]
    if len(links) == 1:
        yield f"1 of {counted(len(files), 'file')} is a link to another of the folder, and an example too: {links[0]}."
    elif links:
        yield (
            f"{len(links):,} of {len(files):,} files are links to others of the folder, and each is an example too; "
            f"the first is {links[0]}."
        )


def _without_ignored_classes(
    found: Sequence[Found], splits: Sequence[str], root: Path, data: Data
) -> tuple[list[Found], Counter[str]]:
    """What lies in no class folder that data.ignore names, and how many files each of those has.

    Raises:
        DataError: a name is of no class folder, or no class is left.
    """
    classes = [_class_of(parts, splits) for parts, _ in found]
    names = sorted({name for name in classes if name is not None})
    ignored = {normalize("NFC", name) for name in data.ignore}
    for name in sorted(ignored.difference(names)):
        has = ", ".join(names[:NAMED]) + (" and more" if len(names) > NAMED else "")
        raise DataError(
            f"{root} has no class folder '{name}' for data.ignore{nearest(name, names)}; it has {has}: name it as the "
            "folder is called."
        )
    if names and ignored.issuperset(names):
        raise DataError(f"data.ignore leaves out every class folder of {root}: leave fewer out.")
    kept = [item for item, name in zip(found, classes, strict=True) if name is None or name not in ignored]
    return kept, Counter(name for name in classes if name is not None and name in ignored)


def _class_of(parts: tuple[str, ...], splits: Sequence[str]) -> str | None:
    """The class folder that a file lies in, in the form of Unicode that people type."""
    inside = parts[1:] if splits and parts[0] in splits else parts
    is_outside = splits and parts[0] not in splits
    return None if is_outside or len(inside) < 2 else normalize("NFC", shown(inside[0]))


def _split_folders(found: Sequence[tuple[str, ...]]) -> list[str]:
    """The folders that hold a split each: those called so with folders inside, if one is for training.

    A stray file among the folders of classes changes nothing, nor does a folder of another name beside them. A folder
    called train whose images lie in it directly is a class: of trains, say.
    """
    called = {parts[0] for parts in found if len(parts) > 1 and parts[0].lower() in SPLIT_NAMES}
    within = Counter(parts[0] for parts in found if len(parts) > 2)
    all_of = Counter(parts[0] for parts in found if len(parts) > 1)
    splits = sorted(name for name in called if within[name] > all_of[name] / 2)
    return splits if any(SPLIT_NAMES[name.lower()] == TRAIN for name in splits) else []


def _not_read(root: Path, folder: str, count: int) -> str:
    name = root / shown(folder)
    if folder.lower() in SPLIT_NAMES:
        if count == 1:
            return f"The file in {name} lies in no class folder and is left out: it has no label."
        return f"The {count:,} files in {name} lie in no class folder and are left out: they have no label."
    return f"The folder {name}, with {counted(count, 'file')}, is no split and is left out."


def _inputs(root: Path, data: Data, task: Task, classes: Sequence[str]) -> Listing:
    named, _ = _without_annotations(root)
    inside = [(parts, path) for parts, path in named if path is not None]
    if not inside:
        raise DataError(f"{root} holds no files: set data.path to a folder of images.")
    table = pd.DataFrame({"path": [shown("/".join(parts)) for parts, _ in inside]}, dtype="str")
    rejected = [
        Rejected(shown("/".join(parts)), _why_no_file(root, "/".join(parts)), "outside")
        for parts, path in named
        if path is None
    ]
    if (root / LABELS).is_file():
        table, own, missing = _with_list(table, root / LABELS, data)
        rejected += missing
    else:
        table, own = table.assign(label=_class_folders([parts for parts, _ in inside], classes)), []
    files = [ImageFile(path, table["path"][row], "", row) for row, (_, path) in enumerate(inside)]
    return Listing(root, files, table, task, rejected, own)


def _without_annotations(root: Path) -> tuple[list[Found], int]:
    """The files below `root` by the parts of their names, and how many are left out, beside an image of one name."""
    found = [(tuple(name.split("/")), path) for name, path in files_below(root)]
    pictured = {_stem(parts) for parts, _ in found if is_image_name(parts[-1])}
    kept = [
        (parts, path)
        for parts, path in found
        if is_image_name(parts[-1]) or not PurePosixPath(parts[-1]).suffix or _stem(parts) not in pictured
    ]
    return kept, len(found) - len(kept)


def _class_folders(parts: list[tuple[str, ...]], classes: Sequence[str]) -> pd.Series:
    """The folder of each image as its label, where any folder is named after a class."""
    folders = [shown(one[0]) if len(one) > 1 else None for one in parts]
    are_classes = not set(classes).isdisjoint(folders)
    return pd.Series(folders if are_classes else [None] * len(folders), dtype="str")


def _with_list(table: pd.DataFrame, where: Path, data: Data) -> tuple[pd.DataFrame, list[str], list[Rejected]]:
    """`table` with the labels and the user's own columns that labels.csv has; its rows that name no image."""
    listed = read_table(where).frame
    if "path" not in listed.columns:
        raise DataError(no_column(where, "image file", "path", listed.columns, "rename one 'path'"))
    names = _paths(listed["path"]).map(lambda name: PurePosixPath(name).as_posix()).to_numpy()
    listed = listed.assign(path=names).drop_duplicates("path", keep="last").set_index("path")
    absent = [name for name in listed.index if name not in set(table["path"])]
    labels = label_text(listed[data.label]) if data.label in listed.columns else optional(None, len(listed))
    users = _user_columns(listed, data, _readings(listed, data))
    joined = users.assign(label=labels.to_numpy()).reindex(table["path"]).reset_index()
    missing = [Rejected(name, f"{LABELS} names it, and there is no such file", "missing") for name in absent]
    return joined, list(users.columns), missing


def is_image_name(name: str) -> bool:
    """Whether a file of that name is taken for an image."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _stem(parts: tuple[str, ...]) -> str:
    """The place and name of a file without its ending."""
    return "/".join((*parts[:-1], PurePosixPath(parts[-1]).stem))


def _empty_classes(root: Path, folders: list[str]) -> list[str]:
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not _ignored(entry.name))
    return [
        f"The folder {root / shown(name)} is empty: no such class is learnt." for name in names if name not in folders
    ]


def files_below(root: Path, folder: str = "") -> Iterator[tuple[str, Path | None]]:
    """Every file below `root` by name, sorted, and its path; None for a link outside or to a folder, or a device."""
    with os.scandir(root / folder) as entries:
        ordered = sorted((entry for entry in entries if not _ignored(entry.name)), key=lambda entry: entry.name)
    for entry in ordered:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_symlink():
            yield name, Path(entry.path) if _links_inside(entry, root) else None
        elif entry.is_dir():
            yield from files_below(root, name)
        elif name != LABELS:
            yield name, Path(entry.path) if entry.is_file() else None  # a pipe or a device would be waited on for ever


def _links_inside(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether a link leads to a file below `root`; one that leads to itself leads nowhere."""
    try:
        return entry.is_file() and Path(entry.path).resolve().is_relative_to(root)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _why_no_file(root: Path, name: str) -> str:
    """Why what `files_below` finds under a `name` is no file to read."""
    path = root / name
    if not path.is_symlink():
        return "it is no file, but a pipe or a device"
    if _leads_to_itself(path):
        return LINK_TO_ITSELF
    try:
        target = path.resolve(strict=True)
    except OSError:
        return "it is a link that leads to nothing"
    if not target.is_relative_to(root):
        return "it is a link that leads outside data.path"
    return "it is a link to a folder" if target.is_dir() else "it is a link to no file, but a pipe or a device"


def located_files(root: Path) -> dict[str, Path]:
    """Where each file below `root` is, by the name that a manifest or a quarantine has for it."""
    return {shown(name): path for name, path in files_below(root.resolve()) if path is not None}


def _ignored(name: str) -> bool:
    return name.startswith(".") or name in NOT_EXAMPLES
