"""Predictions from raw inputs with a model folder or a registered model.

Nothing that a model brings is run as Python: the installed inference.py and preparation.py do the work, and its program
is read as recipe/inference/admission.py has it.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipe.dataset import preparation as preparation_code
from recipe.dataset.delimited import read_table
from recipe.dataset.listing import LABELS
from recipe.dataset.preparation import as_dates, as_numbers, as_text, refuse_bomb
from recipe.dataset.tables import typed
from recipe.errors import DataError, RecipeError, WorkspaceError, reworded
from recipe.inference.admission import load_program
from recipe.inference.inference import (
    BATCH,
    EXPORTED_PROGRAM,
    PREPARATION,
    PREPARATION_CODE,
    TRACED_PROGRAM,
    FinalModel,
    output_columns,
    raw_columns,
)
from recipe.runtime.stage_process import first_line
from recipe.runtime.workspace import find_workspace
from recipe.settings import load_settings
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.registry import find_version

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
    read = _predict_images if final.preparation["kind"] == "images" else _predict_tables
    predictions = pd.concat(list(read(final, inputs)), ignore_index=True)
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
    if shipped.is_file() and shipped.read_bytes() != Path(preparation_code.__file__).read_bytes():
        logger.warning("%s was exported by another version of recipe: its inputs are prepared by this one.", folder)
    try:
        preparation = json.loads((files / PREPARATION).read_text(encoding="utf-8"))
        _require_columns(preparation)
        return FinalModel(load_program(program), preparation, preparation_code)
    except Exception as error:  # what is no model of ours may raise anything on its way through torch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ModelError(f"The model in {folder} cannot be read ({reason}): export it again.") from error


def _require_columns(preparation: dict[str, Any]) -> None:
    """Look up what every prediction needs of the preparation.

    Raises:
        KeyError, TypeError, ValueError: it is not there, or is something else.
    """
    raw_columns(preparation)
    output_columns(preparation)
    if preparation["kind"] == "images":
        pixels = preparation["pixels"]
        refuse_bomb((int(pixels["width"]), int(pixels["height"])))


@contextmanager
def registered_files(reference: str, uri: str | None = None) -> Iterator[Path]:
    """The files of a registered model, fetched for as long as the context lasts where they are not on this machine.

    Args:
        uri: the tracking server or database; by default that of the workspace.
    """
    uri = uri or _tracking_uri(reference)
    client = connect(uri)
    source = find_version(client, reference).source or ""
    with tempfile.TemporaryDirectory(prefix="recipe-model-") as beside:
        yield _fetched(reference, source, Path(beside), uri)


def _fetched(reference: str, source: str, folder: Path, uri: str) -> Path:
    from mlflow.artifacts import download_artifacts

    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=uri))
    except Exception as error:  # each kind of store has errors of its own
        raise ModelError(
            f"The files of {reference} cannot be fetched from {source} ({first_line(error)}): give access to that "
            "place, or register the model again."
        ) from error


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


# Inputs


def _predict_images(model: FinalModel, inputs: Sequence[Path]) -> Iterator[pd.DataFrame]:
    paths = [image for path in inputs for image in _image_paths(path)]
    for start in range(0, len(paths), BATCH):
        yield _predict_batch(model, paths[start : start + BATCH])


def _predict_batch(model: FinalModel, paths: Sequence[Path]) -> pd.DataFrame:
    images: dict[int, np.ndarray] = {}
    errors: dict[int, str] = {}
    for position, path in enumerate(paths):
        try:
            images[position] = model.prepare_image(path.read_bytes(), str(path))
        except OSError as error:
            errors[position] = f"{path} cannot be opened: {error.strerror}."
        except ValueError as error:
            errors[position] = str(error)
    predictions = _merged(model.predict_images(list(images.values())), list(images), errors)
    predictions.insert(0, "path", [str(path) for path in paths])
    return predictions


def _image_paths(path: Path) -> list[Path]:
    """`path` itself if it is a file; every file below it that is neither hidden nor a list of labels, sorted."""
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != LABELS]
    shown = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not shown:
        raise DataError(f"{path} holds no files: name a folder of images.")
    return shown


def _predict_tables(model: FinalModel, inputs: Sequence[Path]) -> Iterator[pd.DataFrame]:
    for path in inputs:
        try:
            table = read_table(path)
        except DataError as error:
            yield pd.DataFrame({"path": [str(path)], ERROR: [reworded(str(error), "name")]})
            continue
        try:
            predicted = model.predict(typed(table.frame))
        except ValueError as error:
            yield pd.DataFrame({"path": [str(path)], ERROR: [f"{path} does not fit the model: {error}"]})
            continue
        for note in _cells_not_read(table.frame, model.preparation):
            logger.warning("%s: %s", path, note)
        errors = {int(row.path.removeprefix("row:")): f"{row.path} of {path}: {row.reason}." for row in table.malformed}
        predictions = _merged(predicted, list(table.frame.index), errors)
        predictions.insert(0, "path", str(path))
        predictions.insert(1, "row", range(len(predictions)))
        yield predictions


def _cells_not_read(rows: pd.DataFrame, preparation: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each column with cells that are not written as in training, and so count as missing."""
    for column in preparation["columns"]:
        given = as_text(rows[column["name"]])
        if column["kind"] == "number":
            read, how = ~np.isnan(as_numbers(given, column["style"])), f"number such as {column['style']}"
        elif column["kind"] == "date":
            read, how = as_dates(given, column["format"]).notna().to_numpy(), f"date in {column['format']}"
        else:
            continue
        strange = given[given.notna().to_numpy() & ~read]
        if len(strange):
            count = f"{len(strange)} {'cell' if len(strange) == 1 else 'cells'} of '{column['name']}'"
            yield f"{count} hold no {how}, as in training, and count as missing; the first is '{strange.iloc[0]}'."


def _merged(predictions: pd.DataFrame, positions: Sequence[int], errors: Mapping[int, str]) -> pd.DataFrame:
    """`predictions`, made for the inputs at `positions`, with a row for each of `errors` where it belongs."""
    count = len(positions) + len(errors)
    merged = predictions.set_index(pd.Index(np.asarray(positions, dtype=np.int64))).reindex(range(count))
    merged[ERROR] = [errors.get(position) for position in range(count)]
    return merged
