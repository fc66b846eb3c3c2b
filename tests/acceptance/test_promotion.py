"""How often a challenger is promoted, over many thousand contests, with the figures of the page that tells it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from recipe.dataset.manifest import Task
from recipe.promotion.rule import Contest, Decision, decide
from recipe.settings.retrain import Rule
from tests.contests import ACCURACY, R2, decisions, reign, share, surprise

pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore:lbfgs failed to converge")]

Say = Callable[[str], None]

ROUNDS = 1000
UNLIKELY = 0.001  # a p-value below which one of some dozens of simulations contradicts what was stated
OFF = 0.03  # by which the mean of powers from ten disagreements each is off
SETTINGS = {  # how far the two are apart, as tests/contests.py has it
    "classification": [(count, share) for count in (200, 500, 2000, 10_000) for share in (0.02, 0.05, 0.15)],
    "regression": [(count, sd) for count in (200, 500, 2000, 10_000) for sd in (0.05, 0.15, 0.4)],
}
CONTESTS = [(task, count, apart) for task in ("classification", "regression") for count, apart in SETTINGS[task]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Say:
    """Shows a line of figures though the test passes."""

    def line(text: str) -> None:
        with capsys.disabled():
            request.config.get_terminal_writer().line(f"\n{text}")

    return line


@pytest.mark.parametrize(("task", "count", "apart"), CONTESTS)
def test_each_kind_of_challenger_is_promoted_as_often_as_stated(say: Say, task: Task, count: int, apart: float) -> None:
    equal, better, worse = (decisions(task, ROUNDS, gain, mixture=[(count, apart)]) for gain in (0.0, 0.01, -0.01))
    stated = float(np.mean([one.power for one in better]))
    error = math.sqrt(stated * (1 - stated) / ROUNDS)
    say(
        f"{task} N={count} apart={apart}: "
        f"promoted of equal {share(equal):.3f}, of better by 0.01 {share(better):.3f} "
        f"(stated {stated:.3f}), of worse by 0.01 {share(worse):.3f}; "
        f"a part kept out {vetoed(better):.3f} of the better"
    )
    assert surprise(equal, equal[0].error_rate) > UNLIKELY
    assert abs(share(better) - stated) < 3 * error + OFF
    assert share(worse) <= share(equal)
    assert vetoed(better) < 0.01


def vetoed(made: list[Decision]) -> float:
    """The share that would have been promoted but for a part."""
    return float(np.mean([one.p_value <= one.error_rate and not one.promote for one in made]))


@pytest.mark.parametrize("count", [500, 2000])
def test_not_worse_lets_in_those_worse_by_the_margin_at_most_at_the_error_rate(say: Say, count: int) -> None:
    rule = Rule(require="not_worse")
    for apart in (0.02, 0.05, 0.15):
        lost, equal = (decisions("classification", ROUNDS // 2, gain, rule, [(count, apart)]) for gain in (-0.01, 0.0))
        say(f"not_worse N={count} apart={apart}: of worse by 0.01 {share(lost):.3f}, of equal {share(equal):.3f}")
        assert surprise(lost, rule.alpha) > UNLIKELY


def test_on_one_test_set_luck_makes_a_champion_harder_to_beat_and_never_easier(say: Say) -> None:
    rounds, reigns = 100, 40
    for count in (500, 2000):
        rng = np.random.default_rng(0)
        ends = [reign(rng, count, [0.0] * rounds, Rule()) for _ in range(reigns)]
        by_round = np.array([[one.promote for one in made] for made, _, _ in ends])
        optimism = float(np.mean([much for _, _, much in ends]))
        say(
            f"{rounds} retrainings no better on one test set of {count}: promoted {by_round[:, :10].mean():.3f} in "
            f"rounds 1 to 10, {by_round[:, 50:].mean():.4f} in 51 to 100; {by_round.sum(1).mean():.2f} in all; "
            f"the last champion's figure is too good by {optimism:.2f} standard errors "
            f"(bound {math.sqrt(2 * math.log(rounds)):.1f})"
        )
        assert surprise([one for made, _, _ in ends for one in made], 0.05) > UNLIKELY
        assert by_round[:, 50:].mean() <= by_round[:, :10].mean()
        assert optimism < math.sqrt(2 * math.log(rounds))


def test_on_one_test_set_better_challengers_are_missed_more_often_than_on_fresh_ones(say: Say) -> None:
    gains, reigns = ([0.0] * 9 + [0.01]) * 4, 100
    for fresh in (False, True):
        rng = np.random.default_rng(0)
        made = [reign(rng, 2000, gains, Rule(), start=0.85, fresh=fresh)[0] for _ in range(reigns)]
        found = np.array([[one.promote for one in decisions[9::10]] for decisions in made])
        stated = np.mean([[one.power for one in decisions[9::10]] for decisions in made])
        say(f"better by 0.01 after nine in vain, fresh={fresh}: promoted {found.mean():.3f}, stated {stated:.3f}")
        error = math.sqrt(stated * (1 - stated) / found.size)
        assert found.mean() < stated - 3 * error if not fresh else abs(found.mean() - stated) < 3 * error + OFF


def test_small_losses_add_up_where_the_rule_is_not_worse(say: Say) -> None:
    lost = {}
    for rule in (Rule(), Rule(require="not_worse")):
        rng = np.random.default_rng(0)
        ends = [reign(rng, 2000, [-0.002] * 50, rule)[1] for _ in range(20)]
        lost[rule.require] = 0.9 - float(np.mean(ends))
    say(f"50 challengers in a row, each worse by 0.002: the champion lost {lost}")
    assert lost["better"] < 0.004
    assert lost["not_worse"] > 0.01


def test_rare_disasters_of_a_regression_are_the_limit_of_the_error_rate(say: Say) -> None:
    """No test of a mean can see what its sample lacks (Bahadur and Savage 1956): here one example in 20."""
    rng = np.random.default_rng(0)
    for count in (200, 2000):
        made = []
        for _ in range(ROUNDS):
            unknown = rng.standard_normal(count)
            champion = 0.3 * rng.standard_normal(count)
            challenger = 0.3 * math.sqrt(20) * rng.standard_normal(count) * (rng.random(count) < 1 / 20)
            scores = [1 - np.square(unknown + own) for own in (challenger, champion)]
            made.append(decide(Contest(*scores, metric=R2, parts={}), Rule()))
        say(f"equal but for rare disasters, N={count}: promoted {share(made):.3f}")
        assert share(made) < 0.2


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_over_simulated_deliveries_of_digits_no_worse_model_gets_in_beyond_chance(say: Say, kind: str) -> None:
    """Ten teams with twenty deliveries each; in every third, half of the labels are wrong, and nobody notices."""
    images, labels = load_digits(return_X_y=True)
    images = images / 16
    worse, better, lasting = [], [], []
    for team in range(10):
        rng = np.random.default_rng(team)
        train, test, truth = np.split(rng.permutation(len(labels)), [800, 1200])
        given = labels.copy()
        champion = fitted(kind, images[train[:60]], given[train[:60]])
        first = champion
        for delivery in range(20):
            came = train[60 + 37 * delivery : 97 + 37 * delivery]
            if delivery % 3 == 2:
                spoilt = came[::2]
                given[spoilt] = rng.permutation(given[spoilt])
            known = train[: 97 + 37 * delivery]
            challenger = fitted(kind, images[known], given[known])
            decision = decide(met(challenger, champion, images[test], labels[test]), Rule())
            gain = challenger.score(images[truth], labels[truth]) - champion.score(images[truth], labels[truth])
            (better if gain > 0 else worse).append(decision)
            champion = challenger if decision.promote else champion
        lasting.append(champion.score(images[truth], labels[truth]) - first.score(images[truth], labels[truth]))
    say(
        f"{kind}: {sum(one.promote for one in worse)} of {len(worse)} no better promoted, "
        f"{sum(one.promote for one in better)} of {len(better)} better; gained {np.mean(lasting):.3f}"
    )
    assert surprise(worse, 0.05) > UNLIKELY
    assert np.mean(lasting) > 0


def fitted(kind: str, inputs: np.ndarray, labels: np.ndarray) -> ClassifierMixin:
    net = MLPClassifier((32,), solver="lbfgs", alpha=0.1, max_iter=60, random_state=0)
    return (LogisticRegression(max_iter=300) if kind == "linear" else net).fit(inputs, labels)


def met(challenger: ClassifierMixin, champion: ClassifierMixin, inputs: np.ndarray, labels: np.ndarray) -> Contest:
    right = [(model.predict(inputs) == labels).astype(float) for model in (challenger, champion)]
    return Contest(*right, metric=ACCURACY, parts={f"class {one}": labels == one for one in range(10)})
