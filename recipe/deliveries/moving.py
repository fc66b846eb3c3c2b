"""Files and folders moved, copied and linked whole; links are not followed."""

import errno
import os
import shutil
from pathlib import Path


def move(source: Path, place: Path, beside: Path | None = None) -> None:
    """By one rename; to another disk by a copy, made `beside` its place and renamed to it before the source goes."""
    try:
        os.replace(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, place, beside or place.with_name(f".{place.name}.part"))
        if is_folder(source):
            shutil.rmtree(source)
        else:
            source.unlink()


def copy(source: Path, place: Path, beside: Path) -> None:
    """A copy, made `beside` and renamed to `place` once it is whole."""
    if is_folder(source):
        shutil.rmtree(beside, ignore_errors=True)  # of a call that was killed
        shutil.copytree(source, beside, symlinks=True)
    else:
        shutil.copy2(source, beside, follow_symlinks=False)
    os.replace(beside, place)


def link(source: Path, place: Path) -> None:
    """The same file at `place`: a second name of it where the disk allows, else a copy."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, and no link to one."""
    return path.is_dir() and not path.is_symlink()
