"""A challenger replaces the champion only where the rule is met, as often as the rule says."""

import numpy as np
import pytest

from recipe.errors import DataError
from recipe.promotion import Contest, decide, worn
from recipe.settings.retrain import Rule


def contest(wins: int, losses: int, count: int, parts: dict[str, np.ndarray] | None = None) -> Contest:
    """`count` examples of which the challenger alone has the first `wins` right, the champion alone the next."""
    challenger, champion = np.ones(count), np.ones(count)
    champion[:wins] = 0
    challenger[wins : wins + losses] = 0
    return Contest(challenger, champion, "classification", parts or {})


def test_a_clearly_better_challenger_is_promoted() -> None:
    decision = decide(contest(40, 10, 1000), Rule())
    assert decision.promote
    assert decision.interval[0] > 0


def test_an_equal_challenger_is_kept_out() -> None:
    assert not decide(contest(20, 20, 1000), Rule()).promote


def test_scores_of_different_examples_are_refused() -> None:
    with pytest.raises(DataError, match="on the same examples"):
        Contest(np.ones(3), np.ones(4), "classification", {})


def test_a_test_set_that_was_read_too_often_is_said_to_be_worn() -> None:
    assert worn(20, 20) == ""
    assert "21 times" in worn(21, 20)
