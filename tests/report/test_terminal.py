import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from recipe.evidence import Finding
from recipe.report.terminal import budget_tables, summary_table, told_whole

FINDINGS = [
    Finding(
        summary=f"Seen at length, {'and told at length, ' * 5}to the end.",
        measured=0.98765,
        interval=(0.9, 0.99),
        expected="at most 0.05",
        advice="Do [bold]this[/bold] instead.",
        practice=f"baseline/{name}",
        verdict=verdict,
    )
    for name, verdict in (("input_independent", "pass"), ("loss_at_init", "fail"), ("human", "skip"))
]


def lines(width: int, *shown: object) -> list[str]:
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(*shown, sep="\n")
    return [line.rstrip() for line in buffer.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal_and_gives_every_practice_a_line(width: int) -> None:
    table = lines(width, summary_table(FINDINGS, width))
    assert max(len(line) for line in table) <= width
    assert len(table) == 2 + 1 + len(FINDINGS)  # the head and its rule, the stage, and each practice
    for finding in FINDINGS:
        (row,) = (line for line in table if finding.practice.partition("/")[2] in line)
        assert str(finding.verdict) in row
        assert "0.9877" in row
        assert "at most 0.05" in row


def test_a_wide_terminal_shows_what_was_seen_as_far_as_there_is_room() -> None:
    assert any("Seen at length" in line for line in lines(120, summary_table(FINDINGS, 120)))
    assert not any("Seen" in line for line in lines(80, summary_table(FINDINGS, 80)))


def test_an_expectation_in_many_words_is_cut() -> None:
    wordy = replace(FINDINGS[0], expected="the same for every batch size, however it is drawn")
    assert len(lines(80, summary_table([wordy], 80))) == 4


def test_what_fails_is_told_whole_with_what_to_do() -> None:
    told = lines(80, *told_whole(FINDINGS, "fail"))
    assert "fail baseline/loss_at_init" in told
    text = " ".join(" ".join(told).split())
    assert "to the end. Do [bold]this[/bold] instead." in text
    assert "input_independent" not in text


def test_the_table_is_plain_text_where_there_is_no_terminal() -> None:
    assert "\x1b" not in "".join(lines(80, summary_table(FINDINGS, 80)))


def test_each_stage_is_named_once_above_its_practices() -> None:
    both = [FINDINGS[0], replace(FINDINGS[0], practice="data/blank")]
    assert [line for line in lines(80, summary_table(both, 80)) if line in ("baseline", "data")] == ["baseline", "data"]


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_knowledge_is_called_so(width: int) -> None:
    known = replace(FINDINGS[0], knowledge=True)
    (row,) = (line for line in lines(width, summary_table([known], width)) if "input_independent" in line)
    assert "knowledge" in row
    assert "pass" not in row


BUDGET = """kind,name,error,low,high,how,trainings,examples,setting
part,label noise,,,,not told,,,
part,seeds,0.02,0.01,0.03,seen,,,
part,test against validation,-0.01,-0.02,0.01,seen,,,
beside,linear baseline,0.05,0.04,0.06,seen,,,
step,one more member,0.004,-0.001,0.009,seen,1.0,0,budget.members=4
step,twice the data,0.01,0.002,0.018,seen,6.0,1500,
label,digit 7,,,,"labelled 3, taken for 8",,,
"""


def test_an_error_budget_is_bars_for_its_parts_and_a_line_for_each_step(tmp_path: Path) -> None:
    (tmp_path / "budget.csv").write_text(BUDGET, encoding="utf-8")
    finding = Finding(summary="Of 3 % error.", table="budget.csv", practice="squeeze/error_budget", verdict="pass")
    shown = lines(100, *budget_tables(finding, tmp_path))
    (noise, seeds, shift, linear) = (
        next(line for line in shown if line.startswith(name)) for name in ("label", "seeds", "test", "linear")
    )
    assert "not told" in noise and "█" not in noise
    assert seeds.count("█") == 2 * shift.count("█") > 0
    assert "2.00 %" in seeds and "[1.00, 3.00]" in seeds and "5.00 %" in linear
    (twice,) = (line for line in shown if line.startswith("twice"))
    assert "6 trainings and 1,500 examples" in twice and "1.00 %" in twice
    assert shown[-1] == "Of 3 % error."
    assert not any("digit 7" in line for line in shown)


def test_an_error_budget_cuts_no_number_and_no_setting_on_a_terminal_of_80_columns(tmp_path: Path) -> None:
    wide = (
        'beside,linear baseline,0.1315,0.1240,0.1390,"on the test set",,,\n'
        "step,a larger model,0.0057,-0.0065,0.0179,seen,6.7,0,model._target_=recipe.models.ConvNet model.width=12\n"
        "step,the second,0.0038,-0.0049,0.0126,seen,6.0,50000,\n"
    )
    (tmp_path / "budget.csv").write_text(BUDGET + wide, encoding="utf-8")
    finding = Finding(summary="Of 3 % error.", table="budget.csv", practice="squeeze/error_budget", verdict="pass")
    shown = lines(80, *budget_tables(finding, tmp_path))
    assert max(map(len, shown)) <= 80 and not any("…" in line for line in shown)
    assert any("13.15 %" in line and "[12.40, 13.90]" in line for line in shown)
    (larger,) = (number for number, line in enumerate(shown) if line.startswith("a larger model"))
    assert "0.57 %" in shown[larger] and "[-0.65, 1.79]" in shown[larger]
    folded = "".join(line.split("  ")[-1].strip() for line in shown[larger : larger + 4])
    assert "recipe.models.ConvNet" in folded and "model.width=12" in folded
