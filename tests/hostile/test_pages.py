"""What somebody calls a cell, a column, a class, a group, a file or a delivery is text on every page, and no more."""

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import mistune
import pytest
from markdown_it import MarkdownIt
from matplotlib.cbook import is_math_text

from flows import recipe as recipe_flow
from flows import retrain, watch
from recipe import drawing
from recipe.deliveries.record import Outcome
from recipe.evidence import Finding
from recipe.report.markdown import text
from recipe.report.spreadsheet import NUMBER, text_of
from recipe.tracking.contents import _note
from tests.hostile.cells import CELLS, FORMULAS, file_names
from tests.hostile.conftest import Made

ADDRESSES = ("action", "background", "cite", "data", "formaction", "href", "poster", "src", "srcdoc", "srcset", "style")
OWN_ADDRESS = re.compile(r"#[\w/-]*|data:,|data:image/png;base64,[\w+/=]+|(tables/[\w.]+|[\w./-]+)\.(csv|html|json)")


class Page(HTMLParser):
    """A page as a browser would read it: its elements, their attributes, its addresses and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[tuple[str, str]] = set()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ADDRESSES]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_there_are_enough_cells_and_every_kind_of_page() -> None:
    assert len(set(CELLS)) >= 60 and len(file_names()) >= 30


def test_no_page_has_an_element_an_attribute_or_an_address_of_theirs(hostile: Made, plain: Made) -> None:
    assert len(hostile.pages) == len(plain.pages) == 10
    own = [read(path) for path in plain.pages.values()]
    elements, attributes = set().union(*(one.elements for one in own)), set().union(*(one.attributes for one in own))
    for name, path in hostile.pages.items():
        page = read(path)
        assert set(page.elements) <= elements, name
        assert page.attributes <= attributes, name
        assert [address for address in page.addresses if not OWN_ADDRESS.fullmatch(address)] == [], name
        assert page.elements["script"] == ("report" in name or name in ("delivery", "monitor")), name


@pytest.mark.parametrize("name", ["why", "delivery", "monitor", "Data Docs of the images: manifest.html"])
def test_a_page_is_built_as_one_of_harmless_names_is(hostile: Made, plain: Made, name: str) -> None:
    assert read(hostile.pages[name]).elements == read(plain.pages[name]).elements


@pytest.mark.parametrize("name", ["table's report", "why", "delivery"])
def test_every_cell_is_shown_letter_by_letter(hostile: Made, name: str) -> None:
    shown = read(hostile.pages[name]).text
    assert [cell for cell in CELLS if " ".join(cell.split()) not in shown] == []


def test_the_data_docs_show_names_of_columns_letter_by_letter(hostile: Made) -> None:
    (docs,) = (path for name, path in hostile.pages.items() if name.startswith("Data Docs of the table: _script"))
    shown = read(docs).text
    for cell in (cell for cell in CELLS if not set(cell) & set("\0\t\r\n")):  # what may be the name of a column
        assert " ".join(cell.split()).replace("$$", "$") in shown.replace("$$", "$")


def test_every_practice_measures_and_draws_as_it_does_with_harmless_names(hostile: Made, plain: Made) -> None:
    for name in ("table", "images"):
        seen, expected = (made.folder / "made" / name / "reports" for made in (hostile, plain))
        findings = json.loads((seen / "data" / "measured.json").read_text(encoding="utf-8"))["findings"]
        assert not [one["summary"] for one in findings if one["summary"].startswith("It could not be measured")]
        pictures, others = (sorted(path.name for path in each.rglob("*.png")) for each in (seen, expected))
        assert pictures == others and pictures


def test_no_cell_of_a_table_is_a_formula_and_a_program_finds_each_again(hostile: Made) -> None:
    tables = sorted((hostile.folder / "made").rglob("reports/**/*.csv")) + sorted(hostile.folder.rglob("why.csv"))
    assert len(tables) > 15
    found: set[str] = set()
    for path in tables:
        with open(path, encoding="utf-8", newline="") as file:
            cells = {cell for row in csv.reader(file) for cell in row}
        found |= {text_of(cell) for cell in cells}
        begins = [part for cell in cells if not NUMBER.fullmatch(cell) for part in re.split(r"(?<=[;\t\r\n])", cell)]
        assert [part for part in begins if part.startswith(tuple("=+-@\t\r\n＝＋－＠"))] == [], path
    assert set(FORMULAS) <= found


MARKED = {
    "prefect's findings": lambda cell: recipe_flow.as_markdown(
        [Finding(cell, expected=cell, advice=cell, practice="data/blank", verdict="fail")]
    ),
    "prefect's delivery": lambda cell: watch.as_markdown(
        Outcome("1", cell, "accepted", version=cell, why=cell, report=cell, quarantine=cell)
    ),
    "prefect's challenge": lambda cell: retrain.as_markdown(
        {
            **dict.fromkeys(("challenger", "champion", "difference", "p_value", "error_rate", "power"), 0.5),
            "slowdown": 1.0,
            "growth": 1.0,
            "interval": [0.1, 0.2],
            "reason": cell,
            "warning": cell,
            "version": cell,
            "against": cell,
        }
    ),
    "mlflow's note": lambda cell: _note([Finding(cell, practice="data/blank", verdict="warn")]),
}


@pytest.mark.parametrize("place", MARKED)
def test_markdown_shows_every_cell_as_text_in_whichever_library(place: str) -> None:
    libraries = (MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render, _mistune)
    for render in libraries:
        expected = Page(render(MARKED[place]("plain")))
        for cell in CELLS:
            page = Page(render(MARKED[place](cell)))
            assert page.elements == expected.elements, cell
            assert page.attributes == expected.attributes, cell
            assert page.addresses == [], cell
            assert " ".join(cell.replace("\0", "\ufffd").split()) in page.text.replace("\0", "\ufffd"), cell


def _mistune(markdown: str) -> str:
    """With GitHub's additions, links of bare addresses among them."""
    render = mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough", "task_lists"])
    return str(render(markdown))


def test_text_without_a_meaning_in_markdown_stays_as_it_is() -> None:
    assert text("569 of 569 rows are in range, 0.5 to 1.5; nothing is missing.") == (
        "569 of 569 rows are in range, 0.5 to 1.5; nothing is missing."
    )


@pytest.mark.parametrize("cell", CELLS)
def test_no_name_is_typeset_in_a_picture(cell: str) -> None:
    assert not is_math_text(drawing.plain(cell))


def test_pictures_of_all_names_are_drawn() -> None:
    names = [cell for cell in CELLS if "\0" not in cell]
    level = dict.fromkeys(names[:3], 0.5)
    line = drawing.Curve([0, 1], [0.0, 1.0])
    for start in range(0, len(names), 45):
        some = names[start : start + 45]
        pictures = (
            drawing.intervals(dict.fromkeys(some, (0.5, 0.4, 0.6)), some[0], some[1], level),
            drawing.bars(some, dict.fromkeys(some[:3], [1.0] * len(some)), some[0], some[1], some[2]),
            drawing.curves(dict.fromkeys(some[:8], line), some[0], some[1], some[2], level),
        )
        assert all(drawing.to_png(picture).startswith(b"\x89PNG") for picture in pictures)
