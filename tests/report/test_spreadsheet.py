"""Tables as a spreadsheet opens them: no cell is a formula, and programs get back what was there."""

import csv
import io

import pandas as pd
import pytest

from recipe.report.spreadsheet import cell, table_csv, text_of


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "-a",
        "'+",
        "a;=1+1",
        "a\t@b",
        "'=1",
    ],
)
def test_what_a_spreadsheet_would_compute_is_marked_and_found_again(text: str) -> None:
    marked = cell(text)

    assert "'" in marked and marked != text
    assert not any(part.startswith(tuple("=+-@\t\r\n＝")) for part in marked.split(";"))
    assert text_of(marked) == text


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+2.5e3",
        "-.5",
        "+",
        "-",
        "a=b",
        "a-b",
        "row:17",
        "0f3a",
        "benign",
        "it's",
        "'quoted'",
        "",
        "a; b",
        "mean radius",
    ],
)
def test_numbers_and_all_that_is_no_formula_stay_as_they_are(text: str) -> None:
    assert cell(text) == text
    assert text_of(text) == text


def test_a_table_keeps_its_numbers_its_gaps_and_its_header() -> None:
    table = pd.DataFrame(
        {
            "id": ["0a", "0b", "0c"],
            "path": ["=x.png", 'a,"b"\n.png', None],
            "score": [-0.25, 1.0, float("nan")],
            "count": [-1, 2, 3],
            "flagged": ["true", "false", "true"],
            "-label": pd.Categorical(["@home", "-1", "@home"]),
        }
    )

    rows = list(csv.reader(io.StringIO(table_csv(table))))

    assert rows == [
        ["id", "path", "score", "count", "flagged", "'-label"],
        ["0a", "'=x.png", "-0.25", "-1", "true", "'@home"],
        ["0b", 'a,"b"\n.png', "1.0", "2", "false", "-1"],
        ["0c", "", "", "3", "true", "'@home"],
    ]
    plain = table.drop(columns=["path", "-label"])
    assert table_csv(plain) == plain.to_csv(index=False, lineterminator="\n")
