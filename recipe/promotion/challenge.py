"""The challenger against the champion, on test examples that neither has seen; both answer raw inputs as they serve.

    python -m recipe.promotion.challenge [VERSION]

reads the test labels, notes the reading, and writes the decision to reports/challenge/; it promotes nobody.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from timeit import timeit
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe import drawing
from recipe.dataset.clusters import clusters_of
from recipe.dataset.kind import inputs_for
from recipe.dataset.labels import label_numbers
from recipe.dataset.splits import TEST
from recipe.dataset.stored import Dataset, load_dataset
from recipe.dataset.test_ledger import readings, record_reading
from recipe.dataset.unseen import unseen
from recipe.errors import DataError
from recipe.inference.inference import FinalModel
from recipe.inference.predict import load_folder, registered_files
from recipe.promotion.history import VERDICT
from recipe.promotion.rule import Contest, Decision, decide, draw, worn
from recipe.report.spreadsheet import table_csv
from recipe.runtime.stage_process import DONE, run_process
from recipe.runtime.workspace import write_json, write_whole
from recipe.settings import Settings, load_settings
from recipe.settings.retrain import Rule
from recipe.statistics.mcnemar import Floats
from recipe.statistics.metrics import METRICS, Metric, metrics_of
from recipe.statistics.paired import answer_scores
from recipe.tracking.connection import connect, tracking_uri
from recipe.tracking.registry import CHALLENGER, CHAMPION, RegistryError, alias_version, answering, registered_name

PARTS, PICTURE = "parts.csv", "difference.png"
READER = "retrain/challenge"
FEWEST_VALUES, MOST_VALUES = 2, 8  # of a column that cuts the examples into slices: more would be too small to judge
MOST_SLICES = 40  # parts in all: each makes the correction for many looks stricter
THIRDS = ("low", "middle", "high")  # of a quantity that is the label
TIMED, ROUNDS = 256, 3  # examples a round; the fastest round is the one least disturbed


def challenge(workspace: Path, settings: Settings, version: str | None = None) -> None:
    """Compare a version (default: the challenger) with the champion, and write what came of it to reports/challenge/.

    Raises:
        RegistryError: there is no challenger, or no champion.
        TrackingError: the registry does not answer.
        ModelError: one of them cannot be read.
        DataError: the prepared data cannot be read, or are not what a model takes.
    """
    client = connect(tracking_uri(workspace, settings))
    name = registered_name(settings.data.name)
    with answering():
        champion = alias_version(client, name, CHAMPION)
        challenger = version or alias_version(client, name, CHALLENGER)
    if champion is None or challenger is None:
        missing = CHAMPION if champion is None else CHALLENGER
        raise RegistryError(f"{name} has no {missing} to compare: train one with `recipe run`.")
    dataset = load_dataset(workspace, settings)
    with ExitStack() as stack:
        folders = [stack.enter_context(registered_files(f"models:/{name}/{one}")) for one in (challenger, champion)]
        decision = decide(_contest(dataset, folders), settings.retrain.rule)
    warning = _note_reading(workspace, settings, decision)
    who = {"name": name, "version": challenger, "against": champion, "warning": warning}
    _write((workspace / VERDICT).parent, decision, settings.retrain.rule, who)


def _contest(dataset: Dataset, folders: list[Path]) -> Contest:
    """The challenger's folder and the champion's, on the test examples that neither has seen."""
    rows = _untouched(dataset, folders)
    models = [load_folder(folder) for folder in folders]
    metric, *_ = metrics_of(dataset.preparation["task"], dataset.settings.metrics)
    said = [answer(model, dataset, rows) if len(rows) else pd.DataFrame() for model in models]
    challenger, champion = (_scores(one, dataset, rows, metric) for one in said)
    seconds = _seconds(models, dataset, rows)
    clusters = clusters_of(dataset)[rows]
    sizes = [sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in folders]
    return Contest(
        challenger,
        champion,
        metric,
        dict(_parts(dataset, rows)),
        challenger_size=sizes[0],
        champion_size=sizes[1],
        challenger_seconds=seconds[0],
        champion_seconds=seconds[1],
        groups=clusters if len(np.unique(clusters)) < len(rows) else None,
        of_parts=_rights(said, dataset, rows) if metric.kind == "share" else None,
    )


def _untouched(dataset: Dataset, folders: list[Path]) -> NDArray[np.int64]:
    """The test examples that neither model has seen.

    Raises:
        DataError: it is not known what one of them has seen.
    """
    rows = dataset.where(TEST)
    contents = dataset.manifest["content_id"].iloc[rows]
    for folder in folders:
        fresh = unseen(folder, contents)
        if fresh is None:
            raise DataError(
                f"{folder} does not say which examples the model was trained on: it was registered by an earlier "
                "version of recipe, so promote one by hand, with `recipe promote VERSION`."
            )
        rows, contents = rows[fresh], contents[fresh]
    return rows


def _scores(said: pd.DataFrame, dataset: Dataset, rows: NDArray[np.int64], metric: Metric) -> Floats:
    """What each of the examples `rows` adds to `metric` by what a model said of it."""
    if not len(rows):
        return np.empty(0)
    return answer_scores(said, dataset.manifest["label"].iloc[rows], metric, dataset.preparation)


def _rights(said: list[pd.DataFrame], dataset: Dataset, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    challenger, champion = (_scores(one, dataset, rows, METRICS["accuracy"]) for one in said)
    return challenger, champion


def answer(model: FinalModel, dataset: Dataset, rows: NDArray[np.int64]) -> pd.DataFrame:
    """What `model` says of the raw examples `rows`: it prepares them itself, as when it serves.

    Raises:
        DataError: they lack something that the model takes.
    """
    source = dataset.workspace / dataset.settings.data.path
    try:
        return model.predict_prepared(inputs_for("it", model.preparation, dataset, rows, source))
    except (ValueError, OSError) as error:
        raise DataError(f"The examples do not fit a registered model ({str(error).rstrip('.')}).") from error


def _seconds(models: list[FinalModel], dataset: Dataset, rows: NDArray[np.int64]) -> list[float]:
    """What one example takes each model, the fastest of some rounds in turn; 0 where there is none to time."""
    if not len(timed := rows[:TIMED]):
        return [0.0] * len(models)
    asked = [partial(answer, model, dataset, timed) for model in models]
    rounds = [[timeit(one, number=1) for one in asked] for _ in range(ROUNDS)]
    return [min(each) / len(timed) for each in zip(*rounds, strict=True)]


def _parts(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The classes, and the slices that columns of few values cut; a quantity's low, middle and high third."""
    labels = dataset.manifest["label"].iloc[rows].reset_index(drop=True)
    if dataset.preparation["classes"] is not None:
        yield from _masks("class", labels.astype("str"))
    elif len(labels) >= len(THIRDS):
        ranks = pd.Series(label_numbers(labels)).rank(method="first")
        yield from _masks("label", pd.qcut(ranks, len(THIRDS), labels=list(THIRDS)).astype("str"))
    for name, values in _columns(dataset, rows):
        if FEWEST_VALUES <= values.nunique() <= MOST_VALUES:
            yield from _masks(name, values)


def _columns(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[tuple[str, pd.Series]]:
    """Columns of categories: raw ones, and the user's own of the manifest."""
    own = [name for name in (*dataset.user_columns, "source") if name not in dataset.rows]
    held = pd.concat([dataset.rows, dataset.manifest[own]], axis=1)
    for name in list(held.columns)[:MOST_SLICES]:
        if name != dataset.settings.data.label and not pd.api.types.is_float_dtype(held[name]):
            yield str(name), held[name].iloc[rows].reset_index(drop=True).astype("str")


def _masks(name: str, values: pd.Series) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for value in sorted(values.unique()):
        yield f"{name} {value}" if name in ("class", "label") else f"{name} = {value}", (values == value).to_numpy()


def _note_reading(workspace: Path, settings: Settings, decision: Decision) -> str:
    """The reading in the ledger; gives the warning when the test set has been read too often."""
    if not decision.examples:
        return ""
    record_reading(workspace, READER, settings.data.name, decision.examples, decision.challenger, settings.data.name)
    limit = int(settings.thresholds.squeeze.final_test.max_readings)
    return worn(len(readings(workspace, settings.data.name)), limit)


def _write(folder: Path, decision: Decision, rule: Rule, who: dict[str, str]) -> None:
    """decision.json, parts.csv and the picture."""
    write_whole(folder / PARTS, table_csv(decision.parts))
    write_whole(folder / PICTURE, drawing.to_png(draw(decision, rule)))
    told = {name: _finite(value) for name, value in vars(decision).items() if name != "parts"}
    write_json(folder / VERDICT.name, told | who)


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: list[str] | None = None) -> int:
    """Challenge from the command line; 0 once compared, 2 on bad input."""
    given = sys.argv[1:] if arguments is None else arguments

    def compare(workspace: Path) -> int:
        challenge(workspace, load_settings(workspace), given[0] if given else None)
        return DONE

    return run_process("The comparison with the champion", compare)


if __name__ == "__main__":
    sys.exit(main())
