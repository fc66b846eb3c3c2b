"""The settings that name files of the user's: kept relative to the workspace where they lie in it, else absolute."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe.errors import DataError, SettingsError
from recipe.runtime.workspace import write_whole
from recipe.settings.defaults import lookup
from recipe.settings.kinds import BUILTIN, READ_FROM_FILES

PATHS = (
    "data.path",
    "data.delivery",
    "data.decisions",
    "data.annotations",
    "stages.data.expectations.suites",
    "pretrained",
)
# Written by people bit by bit, and watched by stages. DVC watches no file that is not there, so that each begins empty.
BEGUN_EMPTY = {"data.decisions": "id,action,value,why\n", "data.annotations": "id,who,label,seconds,at,pass\n"}
REGISTERED = "models:"  # begins the name of a model in MLflow's registry, which is no path
FINAL_MODEL = Path("models") / "final"  # what the pipeline makes in the end


def make_lasting(settings: dict[str, Any], name: str, workspace: Path, counted_from: Path) -> None:
    """Make the path that `settings` hold under the dotted `name` relative to the workspace, or absolute outside it.

    Raises:
        SettingsError: it is empty.
    """
    section, key = _held(settings, name)
    value = section.get(key)
    if value == "":
        raise SettingsError(f"The setting '{name}' is empty: give a path, {name}=...")
    if isinstance(value, str) and not value.startswith(REGISTERED):
        path = Path(os.path.normpath(counted_from / Path(value).expanduser()))
        section[key] = path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def require_begun(settings: Mapping[str, Any], name: str, workspace: Path) -> None:
    """Refuse a file of decisions or annotations that was named and is not there: it may be misspelt.

    Raises:
        SettingsError: it is not there.
    """
    path = workspace / lookup(settings, name)
    if not path.is_file():
        raise SettingsError(f"{name}={path} is no file: begin one with the line {BEGUN_EMPTY[name].strip()}.")


def begin_files(settings: Mapping[str, Any], workspace: Path) -> None:
    """Make the files of decisions and annotations that are not there yet, empty but for their columns.

    Raises:
        WorkspaceError: the disk cannot be written.
    """
    for name, header in BEGUN_EMPTY.items():
        path = workspace / lookup(settings, name)
        in_the_way = path.parent.exists() and not path.parent.is_dir()  # ingest, which writes there too, tells of it
        if not path.exists() and not in_the_way:
            write_whole(path, header)


def make_paths_absolute(settings: dict[str, Any], workspace: Path) -> None:
    """Change every path in `settings` that counts from the workspace, so that it holds from anywhere."""
    for name in PATHS:
        section, key = _held(settings, name)
        if section.get(key) is not None and not section[key].startswith(REGISTERED):
            section[key] = str(workspace / section[key])
    settings["sources"] = {role: str(workspace / source) for role, source in settings["sources"].items()}


def _held(settings: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The section that holds the setting of the dotted `name`, and its name there."""
    holder, _, key = name.rpartition(".")
    return lookup(settings, holder) if holder else settings, key


def require_weights(settings: Mapping[str, Any], workspace: Path) -> str | None:
    """The file of weights that `pretrained` names; None where it names none.

    Raises:
        SettingsError: it is not there, or is what this very pipeline makes.
    """
    named = settings.get("pretrained")
    if named is None or named.startswith(REGISTERED):
        return None
    if not (workspace / named).is_file():
        raise SettingsError(
            f"pretrained={named} is no file: give one of weights, such as net.safetensors, net.pt or a model's "
            "artifacts/program.pt2, or a registered model, models:/NAME/VERSION."
        )
    if Path(named).is_relative_to(FINAL_MODEL):
        raise SettingsError(
            f"pretrained={named} is what this run makes in the end: copy it to another folder, or name its registered "
            "version, models:/NAME/VERSION."
        )
    return str(named)


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
