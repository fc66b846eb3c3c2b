"""A challenger replaces the champion only where the rule is met, and as often as the decision says."""

import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import Ridge, RidgeClassifier

from recipe.dataset.manifest import Task
from recipe.drawing import to_png
from recipe.errors import DataError, SettingsError
from recipe.promotion.rule import Contest, Decision, decide, draw, worn
from recipe.settings import parse_settings
from recipe.settings.composition import compose
from recipe.settings.retrain import Rule
from recipe.statistics.metrics import METRICS
from recipe.statistics.paired import power
from tests.contests import ACCURACY, METRIC_OF, R2, decisions, gap, reign, share, surprise
from tests.workspaces import ROOT

BETTER, NOT_WORSE = Rule(), Rule(require="not_worse")
ROUNDS = 200
FEW = 50  # are enough to see that some get in
NEAR = 5  # models, ordered by how much they were trained on, whose figures are near each other
UNLIKELY = 0.01  # a p-value below which a simulation contradicts what was stated


def contest(wins: int, losses: int, count: int, **others: object) -> Contest:
    """`count` examples of which the challenger alone has the first `wins` right, the champion alone the next."""
    challenger, champion = np.ones(count), np.ones(count)
    champion[:wins] = 0
    challenger[wins : wins + losses] = 0
    return Contest(challenger, champion, ACCURACY, **{"parts": {}, **others})  # type: ignore[arg-type]


def part(start: int, end: int, count: int) -> np.ndarray:
    return (np.arange(count) >= start) & (np.arange(count) < end)


# The rule


def test_a_better_challenger_is_promoted() -> None:
    decision = decide(contest(40, 10, 1000), BETTER)
    assert decision.promote
    assert decision.difference == pytest.approx(0.03)
    assert 0 < decision.interval[0] < 0.03 < decision.interval[1]
    assert decision.p_value < decision.error_rate == 0.05


def test_one_that_may_be_better_by_chance_is_not() -> None:
    decision = decide(contest(22, 18, 1000), BETTER)
    assert not decision.promote
    assert "not better beyond chance" in decision.reason


def test_one_that_is_as_good_on_enough_examples_is_promoted_where_the_rule_is_not_worse() -> None:
    assert decide(contest(20, 20, 2000), NOT_WORSE).promote
    assert not decide(contest(20, 20, 2000), BETTER).promote


def test_one_that_may_be_worse_by_the_margin_is_not() -> None:
    for lost in (contest(5, 5, 100), contest(10, 25, 2000)):
        decision = decide(lost, NOT_WORSE)
        assert not decision.promote
        assert "may be worse by the margin" in decision.reason


def of_a_rare_class(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of 2,000 examples, one in 20 of them rare, of which the challenger finds half and the champion none."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(2000) < 0.05).astype(int)
    champion = np.column_stack([np.ones(2000), np.zeros(2000)])
    found = (targets == 1) & (rng.random(2000) < 0.5)
    challenger = np.column_stack([~found, found]).astype(float)
    return challenger, champion, targets


def test_a_challenger_that_finds_a_rare_class_is_promoted_by_f1() -> None:
    challenger, champion, targets = of_a_rare_class(0)
    metric = METRICS["F1"]
    scores = [metric.scores(one, targets) for one in (challenger, champion)]
    rights = tuple(ACCURACY.scores(one, targets) for one in (challenger, champion))
    parts = {"class 0": targets == 0, "class 1": targets == 1}
    decision = decide(Contest(*scores, metric, parts, of_parts=rights), BETTER)  # type: ignore[arg-type]
    assert decision.promote and "macro F1" in decision.reason
    assert decision.champion == pytest.approx(metric.of(scores[1])) and decision.champion < 0.6
    table = decision.parts.set_index("part")
    assert table["challenger"]["class 1"] == pytest.approx(0.5, abs=0.1) and table["champion"]["class 1"] == 0
    kept = decide(Contest(scores[1], scores[0], metric, parts, of_parts=rights[::-1]), BETTER)  # type: ignore[arg-type]
    assert not kept.promote and "class 1 is worse beyond chance" in kept.reason


def test_a_smaller_error_is_better() -> None:
    targets = np.random.default_rng(1).standard_normal((300, 1))
    near, far = (METRICS["MAE"].scores(targets + off, targets) for off in (0.1, 0.3))
    decision = decide(Contest(near, far, METRICS["MAE"], {"all": np.ones(300, bool)}), BETTER)
    assert decision.promote and "MAE 0.1000 against the champion's 0.3000" in decision.reason
    assert "lower by +0.2000" in decision.reason
    assert decision.parts["challenger"][0] == pytest.approx(0.1)


@pytest.mark.parametrize("rule", [BETTER, NOT_WORSE])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_challenger_that_answers_as_the_champion_does_is_kept_out(rule: Rule, task: Task) -> None:
    scores = np.random.default_rng(0).integers(0, 2, 5000).astype(float)
    decision = decide(Contest(scores, scores.copy(), METRIC_OF[task], {"class 1": scores == 1}), rule)
    assert not decision.promote
    assert "do not differ on any" in decision.reason
    assert decision.difference == 0


def test_a_challenger_that_is_slower_or_larger_than_the_rule_allows_is_kept_out() -> None:
    sizes = {"challenger_size": 3000, "champion_size": 1000, "challenger_seconds": 0.004, "champion_seconds": 0.002}
    better = contest(40, 10, 1000, **sizes)
    decision = decide(better, BETTER)
    assert decision.promote
    assert (decision.slowdown, decision.growth) == (2, 3)
    assert "2.00 times as long, more than 1.5" in decide(better, Rule(max_slowdown=1.5)).reason
    assert "3.00 times as large, more than 2" in decide(better, Rule(max_growth=2)).reason
    assert decide(better, Rule(max_slowdown=2, max_growth=3)).promote


def test_a_speed_that_is_not_known_keeps_nothing_out() -> None:
    decision = decide(contest(40, 10, 1000), Rule(max_slowdown=1.0, max_growth=1.0))
    assert decision.promote
    assert math.isnan(decision.slowdown) and math.isnan(decision.growth)


def test_a_rule_that_cannot_be_kept_is_refused_in_a_sentence() -> None:
    settings = compose(ROOT, [])
    wrong = {"alpha": (0, 0.7), "require": ("best",), "margin": (0,), "least_examples": (0,), "max_growth": (-1,)}
    for name, value in [(name, value) for name, values in wrong.items() for value in values]:
        rule = {**settings["retrain"]["rule"], name: value}
        with pytest.raises(SettingsError, match=rf"retrain\.rule\.{name}"):
            parse_settings({**settings, "retrain": {**settings["retrain"], "rule": rule}})


# Classes and slices


def test_a_class_that_became_worse_keeps_a_better_challenger_out_and_is_named() -> None:
    parts = {"class 3": part(60, 110, 1000), "class 4": part(0, 60, 1000)}
    decision = decide(contest(60, 20, 1000, parts=parts), BETTER)
    assert decision.p_value < 0.001
    assert not decision.promote
    assert "class 3 is worse beyond chance (0.6000 against 1.0000 on 50" in decision.reason
    assert decision.parts["part"].tolist() == ["class 3", "class 4"]
    assert decision.parts["worse"].tolist() == [True, False]
    assert decision.parts["high"][0] < 0 < decision.parts["low"][1]


def test_the_worst_of_many_classes_by_chance_keeps_no_challenger_out() -> None:
    parts = {f"class {one}": part(60 + 5 * one, 110 + 5 * one, 1000) for one in range(20)}  # five lost, in one of them
    decision = decide(contest(60, 5, 1000, parts=parts), BETTER)
    assert decision.parts["p_value"].min() < 0.05
    assert decision.promote


def test_a_class_of_a_few_examples_is_shown_and_keeps_no_challenger_out() -> None:
    decision = decide(contest(60, 15, 1000, parts={"class 3": part(60, 75, 1000)}), BETTER)
    assert decision.promote
    assert decision.parts["difference"].tolist() == [-1.0]
    assert decision.parts["p_value"].isna().all()
    assert not decide(contest(60, 15, 1000, parts={"class 3": part(60, 75, 1000)}), Rule(least_examples=15)).promote


def test_a_class_that_the_champion_does_not_know_counts_for_the_challenger() -> None:
    decision = decide(contest(30, 5, 1000, parts={"class new": part(0, 30, 1000)}), BETTER)
    assert decision.promote
    assert decision.parts[["challenger", "champion"]].to_numpy().tolist() == [[1.0, 0.0]]


def test_a_part_without_an_example_is_left_out() -> None:
    decision = decide(contest(40, 10, 1000, parts={"class 9": part(0, 0, 1000)}), BETTER)
    assert decision.promote
    assert decision.parts.empty


def test_a_slice_of_a_regression_that_became_worse_is_named() -> None:
    rng = np.random.default_rng(0)
    champion = 1 - rng.standard_t(3, 1000) ** 2 / 3
    south = part(0, 100, 1000)
    worse = champion + np.where(south, -0.3, 0.1) + 0.05 * rng.standard_t(3, 1000)
    decision = decide(Contest(worse, champion, R2, {"south": south, "north": ~south}), BETTER)
    assert decision.p_value < 0.05
    assert not decision.promote
    assert "south is worse" in decision.reason and "north is worse" not in decision.reason


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("count", [300, 1000])
def test_of_hundreds_of_slices_the_one_that_became_worse_is_named_and_no_other(count: int, task: Task) -> None:
    rng, size = np.random.default_rng(0), 40
    if task == "classification":
        champion, challenger = (rng.random((2, count * size)) < 0.8).astype(float)
        champion[:size], challenger[:size] = 1, np.arange(size) < size // 2
    else:
        champion, challenger = 1 - rng.standard_t(3, (2, count * size)) ** 2 / 3
        challenger[:size] = champion[:size] - 0.5 - 0.1 * rng.random(size)
    parts = {f"site = {one}": part(one * size, (one + 1) * size, count * size) for one in range(count)}
    decision = decide(Contest(challenger, champion, METRIC_OF[task], parts), NOT_WORSE)
    assert decision.parts["part"][decision.parts["worse"]].tolist() == ["site = 0"]
    assert decision.parts["high"][0] < 0
    assert np.isfinite(decision.parts["high"]).all()


def test_a_lead_that_comes_from_two_patients_of_many_images_is_none_beyond_chance() -> None:
    won = contest(40, 10, 1000)
    assert decide(won, BETTER).promote
    few = np.minimum(np.arange(1000) // 25, 30)
    decision = decide(contest(40, 10, 1000, groups=few), BETTER)
    assert not decision.promote
    assert decision.interval[0] < 0
    assert decision.power < decide(won, BETTER).power


# What cannot be judged


def test_without_an_example_that_neither_was_trained_on_the_champion_stays() -> None:
    decision = decide(contest(0, 0, 0, parts={"class 1": np.zeros(0, dtype=bool)}), BETTER)
    assert not decision.promote
    assert "no test example is left" in decision.reason
    assert (decision.p_value, decision.power, decision.examples) == (1.0, 0.0, 0)


@pytest.mark.parametrize("rule", [BETTER, NOT_WORSE])
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_handful_of_examples_promotes_nobody(task: Task, count: int, rule: Rule) -> None:
    everything = {"all": np.ones(count, dtype=bool)}
    decision = decide(Contest(np.ones(count), np.zeros(count), METRIC_OF[task], everything), rule)
    assert not decision.promote
    assert decision.power < 0.05
    to_png(draw(decision, rule))


@pytest.mark.parametrize("whose", ["challenger", "champion"])
@pytest.mark.parametrize("broken", [math.nan, -math.inf])
def test_scores_that_are_no_numbers_keep_the_champion_and_are_counted(whose: str, broken: float) -> None:
    scores = {"challenger": np.ones(100), "champion": np.zeros(100)}
    scores[whose][:3] = broken
    decision = decide(Contest(**scores, metric=R2, parts={}), BETTER)
    assert not decision.promote
    assert f"the {whose}'s scores on 3 of 100 test examples are no numbers" in decision.reason
    to_png(draw(decision, BETTER))


def test_scores_of_different_examples_are_refused() -> None:
    with pytest.raises(DataError, match="on the same examples"):
        Contest(np.ones(3), np.ones(4), ACCURACY, {})
    with pytest.raises(DataError, match="on the same examples"):
        contest(1, 1, 5, parts={"class 1": np.ones(4, dtype=bool)})
    with pytest.raises(DataError, match="on the same examples"):
        contest(1, 1, 5, groups=np.zeros(4, dtype=np.int64))


def test_a_score_between_right_and_wrong_is_refused() -> None:
    with pytest.raises(DataError, match="1 for right and 0 for wrong"):
        Contest(np.array([0.5, 1.0]), np.array([1.0, 1.0]), ACCURACY, {})


# What is told


def test_the_reason_is_one_sentence_with_the_figures_and_the_power() -> None:
    kept, promoted = decide(contest(22, 18, 1000), BETTER), decide(contest(40, 10, 1000), BETTER)
    for decision in (kept, promoted):
        assert "\n" not in decision.reason
        assert decision.reason.endswith(".") and ". " not in decision.reason
        assert (
            f"{decision.difference:+.4f} [{decision.interval[0]:+.4f}, {decision.interval[1]:+.4f}]" in decision.reason
        )
        assert f"p = {decision.p_value:.2g} where being better needs 0.05" in decision.reason
    assert f"one better by 0.01 would get in with a chance of {kept.power:.2f}" in kept.reason


def test_the_picture_has_a_row_for_all_examples_and_each_class_that_was_tested() -> None:
    parts = {"class a$b": part(0, 500, 1000), "class rare": part(0, 3, 1000)}
    figure = draw(decide(contest(40, 10, 1000, parts=parts), BETTER), BETTER)
    [chart] = figure.axes
    assert [label.get_text() for label in chart.get_yticklabels()] == ["all examples", r"class a\$b"]
    assert figure.get_suptitle() == "The rule promotes the challenger"
    assert [text.get_text() for text in chart.texts] == ["no difference"]
    [other] = draw(decide(contest(40, 10, 1000), NOT_WORSE), NOT_WORSE).axes
    assert [text.get_text() for text in other.texts] == ["no difference", "margin"]
    to_png(figure)


def test_a_test_set_that_was_read_too_often_is_said_to_be_worn() -> None:
    assert worn(20, 20) == ""
    assert "21 times, more than 20" in worn(21, 20)
    assert "2.5 standard errors" in worn(21, 20)


def test_the_table_of_the_page_is_what_the_code_computes() -> None:
    page = (ROOT / "docs" / "when-is-a-model-promoted.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 6
    for count, stated in rows:
        made = [power(int(count), "counted", apart, 0.01, 0.05) for apart in (0.02, 0.05, 0.10, 0.15)]
        assert [f"{one:.2f}" for one in made] == stated.split(" | ")


# How often; `tests/acceptance/test_promotion.py` has more of it


@cache
def simulation(task: Task, better: float) -> list[Decision]:
    return decisions(task, ROUNDS, better)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_challengers_no_better_are_promoted_at_most_at_the_error_rate(task: Task) -> None:
    made = simulation(task, 0.0)
    assert surprise(made, made[0].error_rate) > UNLIKELY


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_challengers_better_by_a_point_are_promoted_with_the_power_that_is_stated(task: Task) -> None:
    made = simulation(task, 0.01)
    assert gap(made) < 3
    assert share(made) > 0.2


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_challengers_worse_by_a_point_are_promoted_far_less(task: Task) -> None:
    assert share(simulation(task, -0.01)) <= 0.01


def test_challengers_worse_by_the_margin_are_promoted_at_most_at_the_error_rate_where_the_rule_is_not_worse() -> None:
    assert surprise(decisions("classification", ROUNDS, -0.01, NOT_WORSE), NOT_WORSE.alpha) > UNLIKELY


def test_the_simulation_finds_a_rule_that_does_not_hold_its_error_rate() -> None:
    made = [replace(one, promote=one.p_value <= 0.2) for one in simulation("classification", 0.0)]
    assert surprise(made, 0.05) < UNLIKELY


def test_retrainings_on_one_test_set_promote_no_more_of_those_no_better() -> None:
    rng = np.random.default_rng(0)
    made = [decision for _ in range(10) for decision in reign(rng, 1000, [0.0] * 20, BETTER)[0]]
    assert surprise(made, BETTER.alpha) > UNLIKELY


def test_of_real_models_on_digits_no_worse_one_gets_in_beyond_chance() -> None:
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    trained, held = order[:700], order[700:]
    models = []
    for size in np.geomspace(50, 700, 24).astype(int):  # the fewer, the worse
        chosen = rng.choice(trained, size, replace=False)
        models.append(RidgeClassifier().fit(images[chosen] / 16, labels[chosen]))
    right = np.array([model.predict(images[held] / 16) == labels[held] for model in models], dtype=float)
    judged(rng, right, labels[held], "classification")


def test_of_real_models_on_diabetes_no_worse_one_gets_in_beyond_chance() -> None:
    inputs, targets = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(targets))
    trained, held = order[:200], order[200:]
    models = []
    for size in np.geomspace(15, 200, 24).astype(int):
        chosen = rng.choice(trained, size, replace=False)
        models.append(Ridge(alpha=0.1).fit(inputs[chosen], targets[chosen]))
    residuals = np.array([model.predict(inputs[held]) - targets[held] for model in models])
    judged(rng, 1 - residuals**2 / targets[held].var(), (inputs[held, 1] > 0).astype(int), "regression")


def judged(rng: np.random.Generator, scores: np.ndarray, kinds: np.ndarray, task: Task) -> None:
    """Pairs of models with about as much to learn from, on 300 examples drawn anew from those that tell the truth."""
    worse, better = list[Decision](), list[Decision]()
    while len(worse) < ROUNDS:
        place = int(rng.integers(len(scores) - NEAR))
        challenger, champion = scores[place + rng.choice(NEAR, 2, replace=False)]
        kept = better if challenger.mean() > champion.mean() else worse
        if kept is better and len(better) == FEW:
            continue
        drawn = rng.integers(scores.shape[1], size=300)
        parts = {f"class {kind}": kinds[drawn] == kind for kind in np.unique(kinds)}
        kept.append(decide(Contest(challenger[drawn], champion[drawn], METRIC_OF[task], parts), BETTER))
    assert surprise(worse, BETTER.alpha) > UNLIKELY
    assert share(better) > 0.15
