"""What was not taken of a delivery, kept with the reasons and with what to tell the sender, in data/quarantine."""

import os
import shutil
from pathlib import Path, PurePosixPath

import pandas as pd

from recipe.dataset.image_listing import located_files
from recipe.deliveries.incoming import QUARANTINE
from recipe.deliveries.moving import link, move
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
    if not delivered.is_dir():
        link(delivered, folder / _name(delivered))
        return
    located = located_files(delivered)
    for path in (PurePosixPath(path).as_posix() for path in reasons["path"]):  # a labels.csv may begin it with ./
        if path in located:
            link(located[path], folder / _name(delivered) / located[path].relative_to(delivered.resolve()))


def put_aside(claimed: Path, delivered: Path | None, workspace: Path, whole: bool) -> Path:
    """Move what was prepared to its place, with all that was delivered where the whole is set aside; gives the place.

    Done twice it is done once.
    """
    place = workspace / QUARANTINE / claimed.name
    place.parent.mkdir(parents=True, exist_ok=True)
    moves = {claimed / ASIDE: place} | ({delivered: place / _name(delivered)} if whole and delivered else {})
    for source, to in moves.items():
        if not os.path.lexists(to):  # else it was moved by a call that was killed before it could clear up
            move(source, to, beside=to.with_name(f".{claimed.name}.part"))
    return place


def _name(delivered: Path) -> str:
    """What a delivery is called among what is said of it."""
    return f"delivered-{delivered.name}" if delivered.name in (REASONS, LETTER) else delivered.name
