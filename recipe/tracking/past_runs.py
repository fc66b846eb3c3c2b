"""Runs of the pipeline as MLflow remembers them, found by the names that people use for them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yaml import YAMLError

from recipe.errors import RecipeError
from recipe.settings import PARAMS, nearest
from recipe.settings.yaml12 import read_yaml
from recipe.tracking.pipeline_run import CODE, COMMIT, PARENT, PIPELINE, STAGE
from recipe.tracking.registry import CHAMPION, REFERENCE, registered_name, version_named
from recipe.versioning.provenance import DATA_VERSION_FILE

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

RUN_ID = re.compile(r"(?!\d{1,3}$)[0-9a-f]{1,32}")  # a short number is a version that is not there
FULL = 32
COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # by SHA-1 or SHA-256, whole
VERSION = re.compile(r"\d{1,9}")
REACHED = "recipe.reached"
SHOWN = 80  # characters of a tag in a sentence
SHORT = 8  # characters that a run is called by
LISTED = 5  # the latest, in a sentence that a person still reads


class RunError(RecipeError):
    """A run that is not remembered, or not well enough to be made again."""


@dataclass(frozen=True)
class PastRun:
    """A run of the pipeline, and all that it can be made again from.

    Attributes:
        name: as a person tells it from others: `digits/3`, or `run 1a2b3c4d`.
        key: names its settings and its data, as its tag recipe.pipeline does.
        settings: the content of its params.yaml.
        data: the content of its data_version.json; see `recipe.versioning.provenance.data_entry`.
        code: names the code of its model; empty where that was not recorded.
        commit: the git commit that it was measured at, where there was one.
        model: where its registered model lies, if there is one.
        reached: the stage that it got to.
    """

    name: str
    key: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    code: str
    commit: str | None
    model: str | None = None
    reached: str = ""


def find_run(client: MlflowClient, model: str, name: str) -> PastRun:
    """The run that `name` means.

    Args:
        model: the registered model whose versions and aliases may be named bare.
        name: `3`, `champion`, `NAME/3`, `NAME@champion`, `models:/NAME/3`, or the id of a run or how it begins.

    Raises:
        RunError: there is none of that name, or more than one, or its settings were not kept, or its commit is none.
    """
    model = registered_name(model)
    version = _version(client, model, name)
    run = client.get_run(str(version.run_id)) if version is not None else _by_id(client, model, name)
    pipeline = _pipeline_of(client, run)
    called = f"{version.name}/{version.version}" if version is not None else f"run {pipeline.info.run_id[:SHORT]}"
    if PIPELINE not in pipeline.data.tags:
        raise RunError(f"The {called} was not made by `recipe run`: name one that was.")
    settings, data = _origin(client, pipeline, called)
    tags = version.tags if version is not None else pipeline.data.tags  # the run goes on, with other code perhaps
    key, code = pipeline.data.tags[PIPELINE], tags.get(CODE, "")
    files = version.source if version is not None else registered_model(client, key, code)
    return PastRun(called, key, settings, data, code, _commit(tags, called), files, pipeline.data.tags.get(REACHED, ""))


def _commit(tags: Mapping[str, str], called: str) -> str | None:
    """The git commit that `tags` name, which becomes a word of git's command line and the name of a folder."""
    commit = tags.get(COMMIT)
    if commit is not None and not COMMIT_ID.fullmatch(commit):
        raise RunError(
            f"The commit of {called} is given as {ascii(commit)[:SHOWN]}, which is no full id: set its tag {COMMIT} to "
            "the 40 or 64 digits that `git rev-parse` tells, or delete that tag."
        )
    return commit


def registered_model(client: MlflowClient, key: str, code: str) -> str | None:
    """Where the newest model lies that is registered for the settings and data of `key`, made by `code`; None: nowhere.

    Raises:
        mlflow.exceptions.MlflowException: MLflow cannot be reached.
    """
    found = client.search_model_versions(f"tags.`{PIPELINE}` = '{key}' and tags.`{CODE}` = '{code}'")
    newest = max(found, key=lambda version: int(version.version), default=None)
    return newest.source if newest is not None else None


def _version(client: MlflowClient, model: str, name: str) -> ModelVersion | None:
    """The registered version that `name` means, if it means one."""
    for registered, version, alias in _meanings(model, name):
        found = version_named(client, registered, version, str(alias))
        if found is not None:
            return found
    return None


def _meanings(model: str, name: str) -> Iterator[tuple[str, str | None, str | None]]:
    """The registered models, by version or alias, that `name` may mean, the likeliest first."""
    match = REFERENCE.fullmatch(name)
    if match is None:
        return
    if match["version"] or match["alias"]:
        yield match["name"], match["version"], match["alias"]
    elif VERSION.fullmatch(name):
        yield model, name, None
    else:
        yield model, None, name
        yield name, None, CHAMPION


def _by_id(client: MlflowClient, model: str, name: str) -> Run:
    from mlflow.exceptions import MlflowException

    if len(name) == FULL:
        with suppress(MlflowException):
            return client.get_run(name)
    runs = _pipelines(client)
    begun = [run for run in runs if RUN_ID.fullmatch(name) and run.info.run_id.startswith(name)]
    if not begun:
        raise _unknown(client, runs, model, name)
    if len(begun) > 1:
        raise RunError(f"Several runs begin with '{name}': {_listed(begun)}; give more of the one that is meant.")
    return begun[0]


def _pipelines(client: MlflowClient) -> list[Run]:
    """Every run of the pipeline, the newest first."""
    runs: list[Run] = []
    token = None
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    while True:
        page = client.search_runs(experiments, f"tags.`{STAGE}` = 'pipeline'", page_token=token)
        runs += page
        token = page.token
        if not token:
            return sorted(runs, key=lambda run: -int(run.info.start_time or 0))


def _pipeline_of(client: MlflowClient, run: Run) -> Run:
    """The pipeline's run above that of a stage or a training."""
    while parent := run.data.tags.get(PARENT):
        run = client.get_run(parent)
    return run


def _origin(client: MlflowClient, run: Run, called: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and the data version that were kept with a run of the pipeline."""
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="recipe-run-") as folder:
        try:
            params, data = (
                Path(client.download_artifacts(run.info.run_id, name, folder)).read_text(encoding="utf-8")
                for name in (PARAMS, DATA_VERSION_FILE)
            )
            return read_yaml(params), json.loads(data)
        except (MlflowException, OSError, ValueError, YAMLError) as error:
            raise RunError(
                f"The settings of {called} were not kept with it, or cannot be read there: run it once more with "
                "`recipe run`, and they are."
            ) from error


def _unknown(client: MlflowClient, runs: Sequence[Run], model: str, name: str) -> RunError:
    registered = sorted(client.search_model_versions(f"name = '{model}'"), key=lambda one: -int(one.version))
    versions = [f"{model}/{version.version}" for version in registered]
    aliases = [str(alias) for one in client.search_registered_models(f"name = '{model}'") for alias in one.aliases]
    known = [*versions, *aliases, *(run.info.run_id for run in runs)]
    near = "" if name in known else nearest(name, known)
    latest = [*versions[:LISTED], *([_listed(runs)] if runs else [])]
    others = f"the latest are {', '.join(latest)}" if latest else "none is remembered yet, start one with `recipe run`"
    return RunError(f"There is no run '{name}'{near}: {others}.")


def _listed(runs: Sequence[Run]) -> str:
    """The newest of `runs` by id, with their names."""
    shown = [f"{run.info.run_id[:SHORT]} ({run.info.run_name})" for run in runs[:LISTED]]
    return ", ".join(shown)
