"""How long a run will take is told before it trains, and what is left falls as it goes."""

import re
from collections.abc import Iterator

import pytest

from recipe.runtime.display import Place, _Lines

EXPECTED = {"regularize": 200.0, "tune": 100.0, "squeeze": 60.0}
STAGES = ("baseline", "regularize", "tune", "squeeze")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("recipe.runtime.display.time.monotonic", lambda: now[0])
    return now


def regularize_at(clock: list[float], pace: float) -> Iterator[Place]:
    """Ten trainings before any practice, each in 18 seconds times `pace`."""
    for trained in range(11):
        clock[0] = 18.0 * pace * trained
        yield Place("regularize", trained=trained, trainings=10, expected=EXPECTED)


def seconds_left(text: str) -> int:
    [(minutes, seconds)] = re.findall(r"about (\d+):(\d\d) left", text)
    return 60 * int(minutes) + int(seconds)


def test_a_long_run_is_announced_once_before_it_trains(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines(STAGES)
    for place in regularize_at(clock, 1.0):
        lines.show(place)
    told = [line for line in capsys.readouterr().err.splitlines() if "on this machine" in line]
    assert told == [
        "0:00  regularize to squeeze: about 6:00 on this machine, as fast as a few steps of the net went",
    ]


def test_a_short_run_is_not_announced(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = _Lines(("squeeze",))
    lines.show(Place("squeeze", "squeeze/ensemble", 0, 3, expected={"squeeze": 40.0}))
    assert capsys.readouterr().err == "0:00  squeeze/ensemble (1 of 3)  about 0:40 left\n"


def test_what_is_left_falls_by_what_has_passed_where_all_goes_as_expected(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    for place in regularize_at(clock, 1.0):
        left = seconds_left(lines.left.at(place))
        assert left == pytest.approx(360 - clock[0], abs=10)


def test_a_machine_that_turns_out_slower_is_believed_more_and_more(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    left = [seconds_left(lines.left.at(place)) for place in regularize_at(clock, 3.0)]
    true = [3 * 360 - 54 * trained for trained in range(11)]
    off = [abs(said - due) / due for said, due in zip(left, true, strict=True)]
    assert off[0] > 0.6 and off[-1] < 0.35 and off[-1] < off[5] < off[1]


def test_practices_after_the_trainings_never_take_the_stage_back(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    *_, last = (lines.left.at(place) for place in regularize_at(clock, 1.0))
    after = lines.left.at(Place("regularize", "regularize/more_data", 0, 8, expected=EXPECTED))
    assert seconds_left(after) == seconds_left(last)


def test_what_is_left_never_rises_while_a_training_takes_longer_than_the_others(clock: list[float]) -> None:
    lines, left = _Lines(STAGES), list[int]()
    for place in regularize_at(clock, 1.0):
        left.append(seconds_left(lines.left.at(place)))
        if place.trained == 5:
            began = clock[0]
            for seconds in range(0, 300, 30):
                clock[0] = began + seconds
                left.append(seconds_left(lines.left.at(place)))
    waiting = left[5:16]
    assert waiting == sorted(waiting, reverse=True)
    assert waiting[0] - waiting[-1] == pytest.approx(18, abs=10)  # one training's time, and then it is waited for


def test_what_is_left_counts_from_when_it_became_known(clock: list[float]) -> None:
    """Until then the stages' usual shares tell how far a run has come, which are no seconds."""
    lines = _Lines(STAGES)
    lines.left.at(Place("baseline", "baseline/linear", 5, 10))
    clock[0] = 100.0
    assert seconds_left(lines.left.at(Place("regularize", trained=0, trainings=10, expected=EXPECTED))) == 360


def test_a_stage_that_knows_more_than_those_before_it_is_believed_at_the_pace_seen_so_far(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    for place in regularize_at(clock, 2.0):
        lines.left.at(place)
    lines.left.at(Place("regularize", "", 8, 8, expected=EXPECTED))
    before = seconds_left(lines.left.at(Place("tune", trained=0, trainings=10, expected=EXPECTED)))
    after = seconds_left(lines.left.at(Place("tune", trained=0, trainings=10, expected={"tune": 300, "squeeze": 180})))
    assert after == pytest.approx(3 * before, rel=0.2)  # the pace counts for less where more is ahead


def test_what_a_stage_has_told_before_is_no_news(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    for place in regularize_at(clock, 2.0):
        left = lines.left.at(place)
    assert lines.left.at(place) == left
