"""Predictions from raw inputs with a model folder or a registered model.

Nothing that a model brings is run as Python: the installed inference.py and preparation code do the work, and its
program is read as recipe/inference/safe_loading.py has it.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from recipe.dataset.kind import RawInputs, kind_of
from recipe.errors import DataError, RecipeError, WorkspaceError
from recipe.inference.inference import (
    EXPORTED_PROGRAM,
    PREPARATION,
    PREPARATION_CODE,
    TRACED_PROGRAM,
    FinalModel,
    output_columns,
)
from recipe.inference.safe_loading import load_program
from recipe.runtime.workspace import find_workspace
from recipe.settings import load_settings
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.registry import fetch_version

logger = logging.getLogger(__name__)

ARTIFACTS = "artifacts"
ERROR = "error"


class ModelError(RecipeError):
    """A model that cannot be read, or is not safe to read."""


def predict(model: str, inputs: Sequence[Path]) -> pd.DataFrame:
    """What `model` says of every image or row in `inputs`, in their order.

    Args:
        model: a folder that holds an exported model, `models:/NAME/VERSION`, `models:/NAME@ALIAS`, or the name of a
            registered model, which means its champion.
        inputs: image files and folders of them, or CSV and Parquet files with the model's raw columns.

    Returns:
        `path`, for a table `row` (0-based), the columns of `FinalModel.predict_prepared`, and `error`: why an input
        could not be read, missing where it could.

    Raises:
        ModelError, RegistryError: there is no such model, or it cannot be read.
        DataError: an input is missing, or none of them can be read.
    """
    for path in inputs:
        if not path.exists():
            raise DataError(f"There is no {path}: name files or folders that exist.")
    final = load_model(model)
    read = kind_of(final.preparation).read_raw(inputs, final.preparation)
    predictions = pd.concat([_merged(final.predict_prepared(raw.inputs), raw) for raw in read], ignore_index=True)
    if len(predictions) and predictions[ERROR].notna().all():
        raise DataError(str(predictions[ERROR].iloc[0]))
    return predictions[[*(name for name in predictions.columns if name != ERROR), ERROR]]


def load_model(model: str) -> FinalModel:
    """The model in a folder or in the registry.

    Raises:
        ModelError, RegistryError: there is none, or it cannot be read.
    """
    if Path(model).is_dir():
        return load_folder(Path(model))
    return load_registered(model, _tracking_uri(model))


def load_registered(reference: str, uri: str) -> FinalModel:
    """The model that is registered at the tracking server or database `uri`.

    Raises:
        ModelError, RegistryError: there is none, or it cannot be read.
    """
    with registered_files(reference, uri) as folder:
        return load_folder(folder)


def load_folder(folder: Path) -> FinalModel:
    """The model exported to `folder`.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    files = folder / ARTIFACTS
    program = next((files / name for name in (EXPORTED_PROGRAM, TRACED_PROGRAM) if (files / name).is_file()), None)
    if program is None or not (files / PREPARATION).is_file():
        raise ModelError(f"{folder} holds no exported model: name a folder such as models/final.")
    shipped = files / PREPARATION_CODE
    try:
        preparation = json.loads((files / PREPARATION).read_text(encoding="utf-8"))
        code = _vetted(preparation)
        if shipped.is_file() and shipped.read_bytes() != Path(str(code.__file__)).read_bytes():
            logger.warning("%s was exported by another version of recipe: its inputs are prepared by this one.", folder)
        return FinalModel(load_program(program), preparation, code)
    except Exception as error:  # what is no model of ours may raise anything on its way through torch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(f"The model in {folder} cannot be read ({reason}): export it again.") from error


def _vetted(preparation: dict[str, Any]) -> ModuleType:
    """The code that prepares inputs, once what every prediction needs of the preparation was looked up.

    Raises:
        KeyError, TypeError, ValueError: it is not there, or is something else.
    """
    kind = kind_of(preparation)
    kind.code.raw_columns(preparation)
    output_columns(preparation)
    kind.vet(preparation)
    return kind.code


@contextmanager
def registered_files(reference: str, uri: str | None = None) -> Iterator[Path]:
    """The files of a registered model, fetched for as long as the context lasts where they are not on this machine.

    Args:
        uri: the tracking server or database; by default that of the workspace.
    """
    uri = uri or _tracking_uri(reference)
    client = connect(uri)
    with tempfile.TemporaryDirectory(prefix="recipe-model-") as beside:
        yield fetch_version(client, reference, Path(beside), uri)


def _tracking_uri(reference: str) -> str:
    try:
        workspace = find_workspace()
        return tracking_uri(workspace, load_settings(workspace))
    except WorkspaceError as error:
        if uri := os.environ.get("MLFLOW_TRACKING_URI"):
            return uri
        raise ModelError(
            f"'{reference}' is no folder, and there is no registry to look it up in: run this inside a workspace, "
            "or set MLFLOW_TRACKING_URI."
        ) from error


def _merged(predictions: pd.DataFrame, raw: RawInputs) -> pd.DataFrame:
    """What names each of the `raw` inputs, its prediction, and why there is none."""
    errors = pd.Series(raw.errors, dtype=object)
    merged = predictions.set_index(errors.index[errors.isna()]).reindex(errors.index)
    return pd.concat([raw.named, merged.assign(**{ERROR: errors})], axis=1)
