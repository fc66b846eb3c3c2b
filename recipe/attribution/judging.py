"""Runs judged by their exported models on the same validation examples, which none of them was trained on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.attribution.reruns import Bench, Ingredients, finished_model, make_model, prepared_data, prepared_key
from recipe.attribution.swaps import State, Way
from recipe.dataset.manifest import Task
from recipe.dataset.splits import TRAIN, VALIDATION
from recipe.dataset.stored import INPUTS, MANIFEST, PREPARATION, PREPARED
from recipe.errors import DataError, RecipeError, SettingsError, WorkspaceError
from recipe.inference.predict import load_model
from recipe.settings import parse_settings
from recipe.statistics.metrics import Metric, metrics_of
from recipe.statistics.paired import answer_scores
from recipe.tracking.past_runs import RunError, registered_model
from recipe.tracking.pipeline_run import pipeline_key
from recipe.versioning.provenance import code_in

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from recipe.inference.inference import FinalModel

LEAST, FEW = 2, 30  # examples; on 30 an accuracy of a half is known to 18 points either way

Scores = NDArray[np.float64]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """By state, what each example adds to the metric, (N,), which is their mean; and what to know about it."""

    metric: Metric
    scores: dict[State, Scores]
    notes: tuple[str, ...]


def judge(way: Way, reseeded: Sequence[State], uri: str, client: MlflowClient, tell: Tell) -> Judged:
    """The scores of every run on the way, and of those with other seeds, that can be made.

    Raises:
        RecipeError: one of the two ends cannot.
    """
    notes: list[str] = []
    prepared: dict[State, Path] = {}
    for state in (*way.states, *reseeded):
        with _tried(way, state, notes):
            prepared[state] = prepared_data(way.bench, state.made_from)
    task = _common_task(prepared.values())
    [metric, *_] = metrics_of(task, way.states[-1].made_from.settings.get("metrics"))
    own_units: Mapping[str, Any] = {"task": task, "target": {}}  # the two runs may have learnt on different scales
    labels, rows, remarks = _common_examples(prepared)

    def scored(state: State, model: FinalModel) -> Scores:
        inputs = np.load(prepared[state] / PREPARED / INPUTS, mmap_mode="r", allow_pickle=False)[rows[state]]
        return metric.turned(answer_scores(model.predict_prepared(inputs), labels, metric, own_units))

    at_hand = {state: _model_at_hand(way.bench, state, uri, client) for state in prepared}
    scores = {state: scored(state, model) for state, model in at_hand.items() if model is not None}
    due = [state for state in prepared if state not in scores]
    for number, state in enumerate(due, start=1):
        tell(f"run {number} of {len(due)}: {_described(way, state)}")
        with _tried(way, state, notes):
            scores[state] = scored(state, load_model(str(make_model(way.bench, state.made_from))))
    return Judged(metric, scores, (*notes, *remarks))


@contextmanager
def _tried(way: Way, state: State, notes: list[str]) -> Iterator[None]:
    """What stops a run on the way is noted; the two ends have to be there."""
    try:
        yield
    except WorkspaceError:  # a full disk, or another run at work there: it may well be made later
        raise
    except RecipeError as error:
        if state in (way.states[0], way.states[-1]):
            raise
        notes.append(f"There is no run with {_described(way, state)}: {error}")


def _described(way: Way, state: State) -> str:
    """What a run on the way is, in a few words."""
    if state not in way.states:
        return f"the seed {state.made_from.settings['seed']}"
    swapped_so_far = [one.factor.name for one in way.states[1 : way.states.index(state) + 1] if one.factor]
    return f"{', '.join(swapped_so_far)} of B" if swapped_so_far else "A as it was"


def _common_task(folders: Iterable[Path]) -> Task:
    files = [folder / PREPARED / PREPARATION for folder in folders]
    tasks: list[Task] = [json.loads(file.read_text(encoding="utf-8"))["task"] for file in files]
    if len(set(tasks)) > 1:
        raise DataError("One run is a classification and the other a regression: they have no figure in common.")
    return tasks[0]


def _common_examples(prepared: Mapping[State, Path]) -> tuple[pd.Series, dict[State, NDArray[np.int64]], list[str]]:
    """The validation examples, by their content, that are in that split of all runs, with one label.

    Gives the labels (N,) as text, in which rows each run's prepared data have them, and what to know of them.

    Raises:
        DataError: there are not two of them.
    """
    columns = ["content_id", "label", "split"]
    tables = [pd.read_parquet(folder / PREPARED / MANIFEST, columns=columns) for folder in prepared.values()]
    held_out = [table[table["split"] == VALIDATION] for table in tables]
    trained_on = {content for table in tables for content in table["content_id"][table["split"] == TRAIN]}
    shared = set.intersection(*(set(table["content_id"]) for table in held_out)) - trained_on
    pairs = pd.concat([table[["content_id", "label"]] for table in held_out]).drop_duplicates()
    pairs = pairs[pairs["content_id"].isin(shared)]
    labels = pairs.drop_duplicates("content_id", keep=False).set_index("content_id")["label"].sort_index()
    if len(labels) < LEAST:
        raise DataError(
            f"The two runs have {len(shared)} validation examples in common, {len(labels)} of them with the same label "
            "in both, so there is nothing to compare them on: their data or their splits are too different."
        )
    notes = []
    if relabelled := len(shared) - len(labels):
        notes.append(
            f"{relabelled} more examples are left out, since their label is not the same in both versions of the data."
        )
    if len(labels) < FEW:
        notes.append(
            f"Only {len(labels)} validation examples are in that split of all runs: the intervals are wide, for the "
            "splits of the two runs differ or the data are few."
        )
    places = [pd.Series(table.index, index=table["content_id"]).groupby(level=0).first() for table in held_out]
    rows = (place[labels.index].to_numpy() for place in places)
    return labels, dict(zip(prepared, rows, strict=True)), notes


def _model_at_hand(bench: Bench, state: State, uri: str, client: MlflowClient) -> FinalModel | None:
    """The model of a run that was made before: registered, or in a scratch workspace; None where there is none.

    Raises:
        RunError: the files of a model that cannot be made again are gone.
    """
    model = _registered(state.model, uri)
    if model is None and state.apart:
        raise RunError(f"The model registered at {state.model} is gone, and so is its code: it cannot be judged.")
    if model is None and (made := finished_model(bench, state.made_from)):
        return load_model(str(made))
    return model or _registered(_known_as(bench, state.made_from, client), uri)


def _known_as(bench: Bench, made_from: Ingredients, client: MlflowClient) -> str | None:
    """Where a model lies that a run of the pipeline registered and that is made from the same."""
    version = bench.prepared.get(prepared_key(made_from))
    try:
        settings = parse_settings(made_from.settings)
    except SettingsError:  # of another version of the code
        return None
    code = code_in(made_from.folder, made_from.settings)
    return registered_model(client, pipeline_key(settings, version), code) if version else None


def _registered(source: str | None, uri: str) -> FinalModel | None:
    """The registered model whose files are at `source`; None where they are not."""
    if source is None:
        return None
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="recipe-model-") as beside:
        try:
            return load_model(str(download_artifacts(artifact_uri=source, dst_path=beside, tracking_uri=uri)))
        except (MlflowException, OSError, RecipeError):
            return None
