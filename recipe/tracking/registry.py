"""The model registry: a version for each final model, known by the hash of its files, found by name."""

import hashlib
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.errors import RecipeError
from recipe.runtime.stage_process import first_line
from recipe.tracking.connection import TrackingError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
MODEL_HASH = "recipe.model_hash"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # what MLflow says of a model, of an alias
logger = logging.getLogger(__name__)

REFERENCE = re.compile(r"(?:models:/+)?(?P<name>[^/@:]+)(?:/(?P<version>\d{1,9})|@(?P<alias>[^/@:]+))?")
TEST_METRIC = "test_metric"  # the tag that names the metric of `test`, `test_low` and `test_high`


class RegistryError(RecipeError):
    """A registered model that is not there, or whose files are not."""


def register_model(
    client: "MlflowClient",
    name: str,
    folder: Path,
    run_id: str,
    tags: Mapping[str, str],
    beside: Sequence[Path] = (),
    metrics: Mapping[str, float] | None = None,
) -> str:
    """The version under which the model in `folder` is registered.

    A model is known by its files, so the same one is registered once. Its files are kept with the run, since `folder`
    is written anew by the next run of the pipeline. Who becomes the champion: recipe/tracking/decisions.py.

    Args:
        run_id: the pipeline's run.
        beside: files that are kept with the model's.
        metrics: what MLflow's list of models can be sorted by.
    """
    name = registered_name(name)
    content = folder_hash(folder)
    known = client.search_model_versions(f"name = '{name}' and tags.`{MODEL_HASH}` = '{content}'")
    if known:
        return str(known[0].version)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    artifact_path = f"model-{content[:8]}"
    client.log_artifacts(run_id, str(folder), artifact_path)
    for file in beside:
        client.log_artifact(run_id, str(file), artifact_path)
    source = f"{client.get_run(run_id).info.artifact_uri}/{artifact_path}"
    listed = _listed(client, artifact_path, run_id, metrics or {})
    tags = {MODEL_HASH: content, **tags}
    told = figure_in_words(tags)
    return str(client.create_model_version(name, source, run_id, tags, description=told, model_id=listed).version)


def list_model(client: "MlflowClient", folder: Path, run_id: str, name: str) -> None:
    """Keep the model in `folder` with the run, once, and in MLflow's list of models, without registering it."""
    artifact_path = f"{name}-{folder_hash(folder)[:8]}"
    tag = f"recipe.{name}"
    if client.get_run(run_id).data.tags.get(tag) != artifact_path:
        client.log_artifacts(run_id, str(folder), artifact_path)
        _listed(client, artifact_path, run_id, {})
        client.set_tag(run_id, tag, artifact_path)


def _listed(client: "MlflowClient", name: str, run_id: str, metrics: Mapping[str, float]) -> str | None:
    """The model's id in MLflow's list of models, whose columns are metrics; the registry's own list has none.

    None where the server is of before MLflow 3, which has no such list.
    """
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    run = client.get_run(run_id)
    try:
        model = client.create_logged_model(run.info.experiment_id, name, run_id)
        now = int(1000 * time.time())
        client.log_batch(run_id, [Metric(key, value, now, 0, model.model_id) for key, value in metrics.items()])
        client.finalize_logged_model(model.model_id, "READY")
        return str(model.model_id)
    except MlflowException as error:
        logger.debug("MLflow lists no models: %s", error)
        return None


def find_version(client: "MlflowClient", reference: str) -> "ModelVersion":
    """The version that `reference` names: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, or a name, for its champion.

    Raises:
        RegistryError: there is none such.
        TrackingError: the registry does not answer.
    """
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise RegistryError(
            f"'{reference}' names no model: give a folder that holds one, models:/NAME/VERSION or models:/NAME@ALIAS."
        )
    name, number, alias = match["name"], match["version"], match["alias"] or CHAMPION
    with answering():
        found = version_named(client, name, number, alias)
        if found is not None:
            return found
        names = ", ".join(sorted(model.name for model in client.search_registered_models())) or "none"
    raise RegistryError(
        f"'{reference}' is neither a folder that holds a model nor a registered one: registered are {names}."
    )


def fetch_version(client: "MlflowClient", reference: str, folder: Path, uri: str) -> Path:
    """Where the files of the version that `reference` names lie: in `folder`, where they are not on this machine.

    Raises:
        RegistryError: there is none such, or its files cannot be had.
        TrackingError: the registry does not answer.
    """
    source = find_version(client, reference).source or ""
    from mlflow.artifacts import download_artifacts

    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=uri))
    except Exception as error:  # each kind of store has errors of its own
        raise RegistryError(
            f"The files of {reference} cannot be fetched from {source} ({first_line(error)}): give access to that "
            "place, or register the model again."
        ) from error


@contextmanager
def answering() -> Iterator[None]:
    """What MLflow refuses or does not answer within is told in one sentence.

    Raises:
        TrackingError: it did.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise TrackingError(
            f"MLflow's registry does not answer ({reason}): see to tracking.uri or the server."
        ) from error


def alias_version(client: "MlflowClient", name: str, alias: str) -> str | None:
    """The version that has `alias`; None where none has it, or there is no such model.

    Raises:
        mlflow.exceptions.MlflowException: the registry does not answer.
    """
    found = version_named(client, name, None, alias)
    return None if found is None else str(found.version)


def version_named(client: "MlflowClient", name: str, number: str | None, alias: str) -> "ModelVersion | None":
    """The version of a model by its number, or without one by its alias; None where there is none such.

    Raises:
        mlflow.exceptions.MlflowException: the registry does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        if number is not None:
            return client.get_model_version(name, number)
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in MISSING:
            raise
        return None


def metric_on_test(tags: Mapping[str, str], metric: str | None = None) -> tuple[float, float, float] | None:
    """The metric on the test set that a version was registered with, and the ends of its interval.

    None without one, or where it is not `metric`, where that is given; versions of before do not say which it is.
    """
    if metric is not None and tags.get(TEST_METRIC, metric) != metric:
        return None
    try:
        return float(tags["test"]), float(tags["test_low"]), float(tags["test_high"])
    except (KeyError, ValueError):
        return None


def figure_in_words(tags: Mapping[str, str]) -> str:
    """What the registry's list of versions says of one before all else; empty without a figure on the test set."""
    figure = metric_on_test(tags)
    if figure is None:
        return ""
    value, low, high = figure
    return f"{tags.get(TEST_METRIC, 'test')} {value:.4g} [{low:.4g}, {high:.4g}] on the test set."


def registered_name(name: str) -> str:
    """`name` as MLflow allows it: without the characters that separate a version or an alias."""
    return re.sub(r"[/:@'\"%]", "-", name)


def folder_hash(folder: Path) -> str:
    """The hash of all files under `folder`, by relative path and content."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
