"""What was not taken of a delivery, kept with the reasons and with what to tell the sender, in data/quarantine."""

import errno
import os
import shutil
from pathlib import Path, PurePosixPath

import pandas as pd

from recipe.dataset.image_listing import located_files
from recipe.deliveries.appending import copy_beside
from recipe.deliveries.incoming import QUARANTINE
from recipe.report.spreadsheet import table_csv
from recipe.runtime.workspace import write_whole

ASIDE = "aside"  # in a claimed folder: what is to go into quarantine
REASONS, LETTER = "reasons.csv", "tell-the-sender.txt"


def stage_aside(claimed: Path, delivered: Path, reasons: pd.DataFrame, letter: str, whole: bool) -> None:
    """Prepare in `claimed` what goes into quarantine: the reasons, the letter, and the examples themselves.

    Args:
        reasons: id, path and reason of each example set aside.
        whole: the whole delivery is set aside; else copies of the examples that `reasons` name, where they are files.
    """
    folder = claimed / ASIDE
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_whole(folder / REASONS, table_csv(reasons))
    write_whole(folder / LETTER, letter)
    if whole:
        return
    if delivered.is_dir():
        located = located_files(delivered)
        for path in map(_normal, reasons["path"]):
            if path in located:
                copy_beside(located[path], folder / _name(delivered) / located[path].relative_to(delivered.resolve()))
    else:
        copy_beside(delivered, folder / _name(delivered))


def put_aside(claimed: Path, delivered: Path | None, workspace: Path, whole: bool) -> Path:
    """Move what was prepared to its place, with all that was delivered where the whole is set aside; gives the place.

    Done twice it is done once.
    """
    place = workspace / QUARANTINE / claimed.name
    place.mkdir(parents=True, exist_ok=True)
    if whole and delivered is not None:
        _move(delivered, place / _name(delivered))
    staged = claimed / ASIDE
    for entry in sorted(staged.iterdir()) if staged.is_dir() else ():
        if (place / entry.name).is_dir() and not entry.is_symlink():
            continue  # it was moved by a call that was killed before it could clear up
        _move(entry, place / entry.name)
    return place


def _name(delivered: Path) -> str:
    """What a delivery is called among what is said of it."""
    return f"delivered-{delivered.name}" if delivered.name in (REASONS, LETTER) else delivered.name


def _normal(path: str) -> str:
    """A path as it is found again, whichever way a labels.csv writes it."""
    return PurePosixPath(path).as_posix()


def _move(source: Path, place: Path) -> None:
    """By one rename; where `place` is on another disk, by a copy, which a second call makes anew."""
    try:
        os.replace(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.rmtree(place, ignore_errors=True)
        shutil.move(source, place)
