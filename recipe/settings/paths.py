"""The settings that name files of the user's: kept relative to the workspace where they lie in it, else absolute."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe.errors import DataError, SettingsError
from recipe.settings.defaults import lookup
from recipe.settings.kinds import BUILTIN, READ_FROM_FILES

PATHS = ("data.path", "data.delivery", "stages.data.expectations.suites")


def make_lasting(settings: dict[str, Any], name: str, workspace: Path, counted_from: Path) -> None:
    """Make the path that `settings` hold under the dotted `name` relative to the workspace, or absolute outside it.

    Raises:
        SettingsError: it is empty.
    """
    holder, _, key = name.rpartition(".")
    section = lookup(settings, holder)
    value = section.get(key)
    if value == "":
        raise SettingsError(f"The setting '{name}' is empty: give a path, {name}=...")
    if isinstance(value, str):
        path = Path(os.path.normpath(counted_from / Path(value).expanduser()))
        section[key] = path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def make_paths_absolute(settings: dict[str, Any], workspace: Path) -> None:
    """Change every path in `settings` that counts from the workspace, so that it holds from anywhere."""
    for name in PATHS:
        holder, _, key = name.rpartition(".")
        section = lookup(settings, holder)
        if section.get(key) is not None:
            section[key] = str(workspace / section[key])
    settings["sources"] = {role: str(workspace / source) for role, source in settings["sources"].items()}


def require_data(settings: Mapping[str, Any], workspace: Path) -> None:
    """Refuse a data.path that is not there, or that holds the workspace.

    Raises:
        DataError: it does.
    """
    path = workspace / settings["data"]["path"]
    if not path.exists():
        command = READ_FROM_FILES.get(settings["data"]["name"]) if settings["data"]["kind"] == BUILTIN else None
        otherwise = f"install it with `{command}`, or " if command else ""
        raise DataError(
            f"data.path={path} is not there: {otherwise}give the folder or file of your data, data.path=..."
        )
    if workspace.is_relative_to(path.resolve()):
        raise DataError(f"data.path={path} holds the workspace itself: put your data in a folder of their own.")
