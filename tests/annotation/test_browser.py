"""The page in a real browser, by keyboard alone: labels are given, taken back, searched for and typed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_diabetes

from recipe.annotation.answers import read_answers
from tests.annotation.conftest import Serve, prepared_table
from tests.faults.data import breast_cancer
from tests.hostile.cells import CELLS

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright, which drives the browser"
)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium: apt-get install chromium")

ANNOTATIONS = "data/annotations.csv"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab that fails the test for an error in the console."""
    opened = browser.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    opened.close()
    assert errors == []


def shows(tab: Any, progress: str) -> None:
    tab.wait_for_function("words => document.getElementById('progress').textContent.startsWith(words)", arg=progress)
    tab.wait_for_selector("#card[aria-busy=false]")


def shows_example(tab: Any, number: int, total: int) -> None:
    tab.wait_for_selector(f"#card[aria-busy=false][aria-label='Example {number} of {total}']")


def test_digits_are_labelled_taken_back_and_gone_back_to(tab: Any, serve: Serve, workspace: Path) -> None:
    tab.goto(serve("--sample", "12").url)
    shows(tab, "0 of 12")
    for number, key in enumerate("738", start=1):
        tab.keyboard.press(key)
        shows(tab, f"{number} of 12")
    tab.keyboard.press("Backspace")
    shows(tab, "2 of 12")
    tab.keyboard.press("1")
    shows(tab, "3 of 12")
    tab.keyboard.press("ArrowLeft")
    shows_example(tab, 3, 12)
    assert tab.locator("button.chosen").inner_text().replace("\n", "") == "11"
    tab.keyboard.press("2")
    shows_example(tab, 4, 12)
    assert [one.label for one in read_answers(workspace / ANNOTATIONS, "")] == ["7", "3", "2"]
    tab.reload()
    shows(tab, "3 of 12")
    for key in "012345678":
        tab.keyboard.press(key)
        shows(tab, f"{int(key) + 4} of 12")
    assert "All 12 are labelled" in tab.locator("#told").inner_text()


def test_a_page_whose_server_has_ended_says_so(browser: Any, serve: Serve) -> None:
    tab, page = browser.new_page(), serve("--sample", "5")
    tab.goto(page.url)
    shows(tab, "0 of 5")
    page.interrupt()
    tab.keyboard.press("7")
    tab.wait_for_selector("#told.wrong")
    assert "Start it again: what you labelled is kept." in tab.locator("#told").inner_text()
    tab.close()


def test_many_classes_are_searched_and_hostile_ones_run_nothing(tab: Any, serve: Serve, tmp_path: Path) -> None:
    words = [" ".join(cell.split()).replace('"', '""') for cell in CELLS if cell.isprintable() and cell.strip()][:6]
    names = [f"class {number:02}" for number in range(40)] + words
    lines = [f'{row},"{names[(row + 7) % len(names)]}","{names[row % len(names)]}"' for row in range(12 * len(names))]
    workspace = prepared_table(tmp_path, "\n".join(["number,text,label", *lines]) + "\n", "data.task=classification")
    tab.goto(serve("--sample", "60", where=workspace).url)
    shows(tab, "0 of 60")
    tab.keyboard.type("17")
    assert tab.locator("#answers button.first").inner_text().endswith("class 17")
    tab.keyboard.press("Enter")
    shows(tab, "1 of 60")
    first = int(tab.locator("#card").get_attribute("aria-label").split()[1])
    for number in range(first + 1, first + 21):  # the cells of other examples, hostile ones among them
        tab.keyboard.press("ArrowRight")
        shows_example(tab, number, 60)
    tab.keyboard.type("<")
    assert tab.evaluate("document.documentElement.dataset.ran") is None
    assert tab.evaluate("document.querySelectorAll('#answers button *:not(kbd), td *').length") == 0
    assert [one.label for one in read_answers(workspace / ANNOTATIONS, "")] == ["class 17"]


def test_a_quantity_is_typed(tab: Any, serve: Serve, tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    workspace = prepared_table(tmp_path, frame.to_csv(index=False), "data.label=target")
    tab.goto(serve("--sample", "5", where=workspace).url)
    shows(tab, "0 of 5")
    tab.keyboard.type("151.5")
    tab.keyboard.press("Enter")
    shows(tab, "1 of 5")
    assert [one.label for one in read_answers(workspace / ANNOTATIONS, "")] == ["151.5"]


def test_a_phone_shows_all_of_it_without_scrolling_sideways(tab: Any, serve: Serve, tmp_path: Path) -> None:
    workspace = prepared_table(tmp_path, breast_cancer().to_csv(index=False), "data.label=diagnosis")
    tab.set_viewport_size(PHONE)
    tab.goto(serve("--sample", "5", where=workspace).url)
    shows(tab, "0 of 5")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert tab.evaluate("[...document.querySelectorAll('button')].every(one => one.offsetHeight >= 40)")
    tab.locator("#answers button").first.click()
    shows(tab, "1 of 5")
