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
        assert seconds_left(lines.left.at(place)) == pytest.approx(360 - min(clock[0], 180), abs=10)


def test_a_machine_that_turns_out_slower_is_believed_more_and_more(clock: list[float]) -> None:
    lines, off = _Lines(STAGES), []
    for number, (stage, seconds) in enumerate(EXPECTED.items()):
        left = seconds_left(lines.left.at(Place(stage, trained=0, trainings=10, expected=EXPECTED)))
        true = 3 * sum(list(EXPECTED.values())[number:])
        off.append(abs(left - true) / true)
        clock[0] += 3 * seconds
    assert off[0] > 0.6 > 0.5 > off[1] > off[2] and off[2] < 0.15


def test_how_many_practices_are_done_says_nothing_of_what_is_left(clock: list[float]) -> None:
    """Several read what the first of them has trained."""
    lines, left = _Lines(STAGES), list[int]()
    for done in range(9):
        left.append(seconds_left(lines.left.at(Place("regularize", "regularize/dropout", done, 9, expected=EXPECTED))))
    assert set(left) == {360}


def test_what_is_left_never_rises_while_a_stage_takes_longer_than_expected(clock: list[float]) -> None:
    lines, left = _Lines(STAGES), list[int]()
    for place in regularize_at(clock, 3.0):
        left.append(seconds_left(lines.left.at(place)))
    assert left == sorted(left, reverse=True)
    assert left[-1] == 160 + 20  # a tenth of the stage's own 200, and the stages after it


def test_nothing_is_said_of_what_is_left_before_a_stage_has_told_it(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    assert lines.left.at(Place("baseline", "baseline/linear", 5, 10)) == ""
    clock[0] = 100.0
    assert seconds_left(lines.left.at(Place("regularize", trained=0, trainings=10, expected=EXPECTED))) == 360


def test_a_stage_that_knows_more_than_those_before_it_is_believed_at_the_pace_so_far(clock: list[float]) -> None:
    lines = _Lines(STAGES)
    lines.left.at(Place("regularize", expected=EXPECTED))
    clock[0] = 400.0  # twice as long as expected
    before = seconds_left(lines.left.at(Place("tune", expected={})))
    after = seconds_left(lines.left.at(Place("tune", expected={"regularize": 5, "tune": 300, "squeeze": 180})))
    assert before == pytest.approx(160 * (160 + 400) / (160 + 200), abs=10)
    assert after == pytest.approx(480 * (480 + 400) / (480 + 200), abs=10)
