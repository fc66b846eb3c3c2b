"""Each metric is what scikit-learn says, and what an example adds to it tells how sure it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from sklearn import metrics as sklearn
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression

from recipe.dataset.target_scale import LOG
from recipe.errors import SettingsError
from recipe.statistics.clusters import share_of_classes_interval
from recipe.statistics.metrics import METRICS, Floats, metrics_of
from recipe.statistics.paired import answer_scores

OF_CLASSES, OF_QUANTITIES = ("accuracy", "balanced_accuracy", "F1", "AUC"), ("R2", "MAE", "RMSE")
RARE = 8  # of the third class, where classes are uneven

Weighted = Callable[..., float]


def log_probabilities(data: Any) -> tuple[Floats, np.ndarray]:
    """Of a weak model on the half that it was not fitted on."""
    inputs, targets = data(return_X_y=True)
    inputs = inputs[:, :6] / np.maximum(inputs[:, :6].std(0), 1e-9)
    half = len(inputs) // 2
    model = LogisticRegression(max_iter=3000).fit(inputs[:half], targets[:half])
    return model.predict_log_proba(inputs[half:]), targets[half:]


def by_sklearn(name: str, outputs: Floats, targets: np.ndarray, weight: Floats | None = None) -> float:
    said, probabilities = outputs.argmax(1), np.exp(outputs)
    if name == "AUC":
        each = [
            sklearn.roc_auc_score(targets == one, probabilities[:, one], sample_weight=weight)
            for one in np.unique(targets)
        ]
        return float(np.mean(each))
    found: dict[str, Weighted] = {
        "accuracy": sklearn.accuracy_score,
        "balanced_accuracy": sklearn.balanced_accuracy_score,
        "F1": lambda *both, sample_weight: sklearn.f1_score(*both, average="macro", sample_weight=sample_weight),
    }
    return float(found[name](targets, said, sample_weight=weight))


@pytest.mark.parametrize("data", [load_breast_cancer, load_digits])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_metric_of_classes_is_what_scikit_learn_says(name: str, data: Any) -> None:
    outputs, targets = log_probabilities(data)
    assert METRICS[name].of(METRICS[name].scores(outputs, targets)) == pytest.approx(
        by_sklearn(name, outputs, targets), abs=1e-9
    )


def test_the_auc_of_equal_certainties_counts_them_half() -> None:
    outputs, targets = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0]]), np.array([0, 1, 1, 0])
    assert METRICS["AUC"].of(METRICS["AUC"].scores(outputs, targets)) == 0.875


def test_nothing_to_rank_is_an_auc_of_a_half() -> None:
    assert METRICS["AUC"].of(METRICS["AUC"].scores(np.eye(3), np.zeros(3, np.int64))) == 0.5


@pytest.mark.parametrize("name", OF_QUANTITIES)
def test_a_metric_of_quantities_is_what_scikit_learn_says(name: str) -> None:
    inputs, targets = load_diabetes(return_X_y=True)
    outputs = LinearRegression().fit(inputs[:200], targets[:200]).predict(inputs[200:])
    right = {
        "R2": sklearn.r2_score,
        "MAE": sklearn.mean_absolute_error,
        "RMSE": sklearn.root_mean_squared_error,
    }[name](targets[200:], outputs)
    metric = METRICS[name]
    assert metric.of(metric.scores(outputs[:, np.newaxis], targets[200:, np.newaxis])) == pytest.approx(right)
    assert metric.is_error == (name != "R2")


@pytest.mark.parametrize("name", OF_CLASSES)
def test_the_score_of_an_example_is_what_the_metric_moves_by_where_it_weighs_more(name: str) -> None:
    outputs, targets = log_probabilities(load_digits)
    scores, value = METRICS[name].scores(outputs, targets), by_sklearn(name, outputs, targets)
    wrong = int(np.flatnonzero(outputs.argmax(1) != targets)[0])
    for place in (0, wrong):
        weight = np.ones(len(targets))
        weight[place] += 1e-4
        moved = (by_sklearn(name, outputs, targets, weight) - value) / 1e-4
        assert value + len(targets) * moved == pytest.approx(scores[place], abs=1e-2)


@pytest.mark.parametrize("name", ["balanced_accuracy", "F1", "AUC"])
def test_the_spread_of_the_scores_is_that_over_new_examples(name: str) -> None:
    rng, metric = np.random.default_rng(0), METRICS[name]
    outputs, targets = log_probabilities(load_digits)
    draws = (rng.integers(0, len(targets), len(targets)) for _ in range(300))
    drawn = [metric.of(metric.scores(outputs[draw], targets[draw])) for draw in draws]
    stated = metric.scores(outputs, targets).std() / np.sqrt(len(targets))
    assert stated == pytest.approx(np.std(drawn), rel=0.15)


def uneven(rng: np.random.Generator, count: int, lead: float) -> tuple[Floats, np.ndarray]:
    """Three classes, one of them rare, and outputs that lead towards the right one."""
    targets = np.repeat([0, 1, 2], [count - count // 3 - RARE, count // 3, RARE])
    return rng.standard_normal((count, 3)) + lead * np.eye(3)[targets], targets


@pytest.mark.parametrize("name", ["balanced_accuracy", "F1", "AUC"])
@pytest.mark.parametrize("lead", [1.0, 2.5, 4.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(name: str, lead: float) -> None:
    """Of uneven classes too: 8 examples of one of them, where a bootstrap finds no error and is sure."""
    rng, metric = np.random.default_rng(1), METRICS[name]
    many = np.concatenate([uneven(rng, 120, lead)[0] for _ in range(1000)])
    truth = metric.of(metric.scores(many, np.tile(uneven(rng, 120, lead)[1], 1000)))
    held = 0
    for _ in range(300):
        outputs, targets = uneven(rng, 120, lead)
        scores = torch.from_numpy(metric.scores(outputs, targets))
        low, high = share_of_classes_interval(scores, torch.from_numpy(targets))
        assert low < high
        held += low <= truth <= high
    assert held / 300 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 300)


def test_copies_widen_the_interval_to_that_of_what_was_copied() -> None:
    outputs, targets = uneven(np.random.default_rng(2), 120, 1.0)
    scores, labels = (torch.from_numpy(one) for one in (METRICS["F1"].scores(outputs, targets), targets))
    once = share_of_classes_interval(scores, labels)
    groups = torch.arange(120).repeat(4)
    copied = share_of_classes_interval(scores.repeat(4), labels.repeat(4), groups)
    assert copied == pytest.approx(once, abs=0.01)


def test_metrics_of_another_task_are_refused_with_those_that_fit() -> None:
    with pytest.raises(SettingsError, match="metrics names F1, but the labels are a quantity: choose among R2, MAE"):
        metrics_of("regression", ("F1",))
    assert [one.name for one in metrics_of("classification", None)] == ["accuracy"]


# Of what a model answers


def answers(probabilities: dict[str, list[float]]) -> pd.DataFrame:
    table = pd.DataFrame({f"probability_{name}": values for name, values in probabilities.items()})
    said = table.to_numpy().argmax(1)
    return pd.concat([pd.Series(np.array(list(probabilities))[said], name="prediction"), table], axis=1)


def test_a_class_that_the_model_does_not_know_counts_as_missed() -> None:
    said = answers({"a": [0.9, 0.2, 0.6, 0.0], "b": [0.1, 0.8, 0.4, 1.0]})
    labels = pd.Series(["a", "b", "c", "b"])
    learnt = {"task": "classification"}
    assert answer_scores(said, labels, METRICS["accuracy"], learnt).tolist() == [1, 1, 0, 1]
    recall = answer_scores(said, labels, METRICS["balanced_accuracy"], learnt).mean()
    assert recall == pytest.approx((1 + 1 + 0) / 3)
    assert np.isfinite(answer_scores(said, labels, METRICS["AUC"], learnt)).all()


def test_r2_is_on_the_scale_that_was_learnt_and_an_error_in_the_units_of_the_label() -> None:
    labels = pd.Series(["1", "10", "100", "1000"])
    said = pd.DataFrame({"prediction": [2.0, 10.0, 100.0, 900.0]})
    learnt = {"task": "regression", "target": {"scale": LOG, "mean": [0.0], "std": [1.0]}}
    logarithms = np.log(labels.astype(float)), np.log(said["prediction"])
    assert answer_scores(said, labels, METRICS["R2"], learnt).mean() == pytest.approx(sklearn.r2_score(*logarithms))
    assert answer_scores(said, labels, METRICS["MAE"], learnt).mean() == pytest.approx(-(1 + 100) / 4)


def test_two_models_differ_beyond_chance_in_f1_as_often_as_stated_where_they_are_alike() -> None:
    from recipe.statistics.paired import chance

    rng, metric = np.random.default_rng(3), METRICS["F1"]
    found = 0
    for _ in range(400):
        first, targets = uneven(rng, 300, 1.5)
        second, _ = uneven(rng, 300, 1.5)
        differences = metric.scores(first, targets) - metric.scores(second, targets)
        found += chance(differences, metric.scored) <= 0.05
    assert found / 400 <= 0.05 + norm.isf(0.001) * np.sqrt(0.05 * 0.95 / 400)
