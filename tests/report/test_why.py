"""What `recipe why` shows: a table, a page, a picture and a file, of the same numbers."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread
from rich.console import Console

from recipe.attribution.attribute import Attribution, Step
from recipe.attribution.report import headline, remarks, signed, why_table, write_why

WHY = Attribution(
    a="digits/3",
    b="digits/4",
    metric="accuracy",
    lower_is_better=False,
    examples=270,
    value=0.974,
    steps=(
        Step("optimizer", "lr=0.0003", "lr=1e-05", 0.904, -0.07, -0.1, -0.04, 0.875, True),
        Step("data version", "<b>5afc23b9", "1cba6b05", 0.904, 0.0, -0.01, 0.01, 0.0, False),
        Step("seed", "0", "1", 0.894, -0.01, -0.02, 0.004, 0.125),
    ),
    whole=Step("in all", "", "", 0.894, -0.08, -0.11, -0.05, 1.0, True),
    seed_change=0.01,
    seeds=2,
    notes=("What a person should know.",),
)


def test_the_headline_says_the_whole_change_and_its_largest_part() -> None:
    told = headline(WHY)
    assert told.startswith("accuracy is 0.8940 in digits/4 and 0.9740 in digits/3, on 270 validation examples")
    assert told.endswith("a change of −0.0800 [−0.1100, −0.0500]. The largest part is optimizer: −0.0700.")
    alone = headline(replace(WHY, steps=WHY.steps[:1]))
    assert alone.endswith("and optimizer is all that differs.")


def test_parts_that_are_equally_large_are_all_named() -> None:
    equal = tuple(replace(step, change=-change) for step, change in zip(WHY.steps, (0.01, 0.0, -0.01), strict=True))
    assert headline(replace(WHY, steps=equal)).endswith(" The largest parts are optimizer: −0.0100, seed: +0.0100.")


def test_where_nothing_changes_the_figure_no_part_is_named() -> None:
    still = tuple(replace(step, change=0.0) for step in WHY.steps)
    assert headline(replace(WHY, steps=still)).endswith("Nothing that was swapped changes it.")


def test_what_is_within_what_another_seed_does_is_said_to_be() -> None:
    assert remarks(WHY)[-1] == (
        "2 runs that differ by the seed alone are up to 0.0100 apart: what data version changed is no more than that."
    )
    unknown = replace(WHY, seed_change=None, seeds=1)
    assert "--seeds 2" in remarks(unknown)[-1] and remarks(unknown)[0] == "What a person should know."


@pytest.mark.parametrize(
    ("change", "text"), [(0.1, "+0.1000"), (-0.1, "−0.1000"), (0.0, "0"), (-1e-9, "0"), (1.0, "+1"), (-3, "−3")]
)
def test_a_change_has_its_sign(change: float, text: str) -> None:
    assert signed(change) == text


def test_the_table_fits_a_terminal_of_80_columns_and_has_every_number() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(why_table(WHY))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["factor", "from", "to", "change", "low", "high", "share", "seed"]
    assert lines[2].split() == ["optimizer", "lr=0.0003", "lr=1e-05", "−0.0700", "−0.1000", "−0.0400", "88%", "beyond"]
    assert lines[-1].split() == ["in", "all", "−0.0800", "−0.1100", "−0.0500", "100%", "beyond"]


def test_page_picture_and_file_hold_the_same_numbers_and_no_markup_of_a_users(tmp_path: Path) -> None:
    page = write_why(tmp_path / "why", WHY)
    html = page.read_text(encoding="utf-8")
    assert "Why digits/4 is not digits/3" in html and "−0.0700" in html and "What a person should know." in html
    assert "&lt;b&gt;5afc23b9" in html and "<b>5afc" not in html
    assert "http" not in html  # nothing is fetched
    with open(tmp_path / "why" / "why.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["factor"] for row in rows] == ["optimizer", "data version", "seed", "in all"]
    assert sum(float(row["change"]) for row in rows[:-1]) == pytest.approx(float(rows[-1]["change"]))
    assert [row["beyond_seed"] for row in rows] == ["true", "false", "", "true"]
    assert imread(tmp_path / "why" / "waterfall.png").shape[1] > 500


def test_the_picture_holds_whatever_the_change_is(tmp_path: Path) -> None:
    flat = Step("code", "a" * 200, "$x$", 0.974, 0.0, 0.0, 0.0, None)
    write_why(tmp_path, replace(WHY, steps=(flat,), whole=replace(flat, factor="in all"), seed_change=None))
    assert (tmp_path / "waterfall.png").is_file()
