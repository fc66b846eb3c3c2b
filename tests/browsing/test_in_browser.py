"""What a person does on the page, in a real browser."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from recipe.browsing.page import write_browser
from recipe.browsing.surveyed import Surveyed
from recipe.evidence import Finding
from recipe.report.spreadsheet import text_of
from tests.browsing.made import WRONG, digits_with_faults, label_noise, surveyed
from tests.faults.data import arrays, breast_cancer, digits, table
from tests.hostile.cells import CELLS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Open = Callable[[Path], "Page"]
PHONE = {"width": 390, "height": 844}
NO_LONGER = 20_000  # milliseconds for a page of 60,000, on a machine that does other things too
PER_FRAME = 400  # milliseconds, the median of thumbnails; 20 to 22 on two busy cores


def shown(page: Page) -> str:
    """How many examples are shown, of how many; once the page has come to rest."""
    page.wait_for_timeout(250)
    return page.inner_text("#shown")


def order(page: Page) -> list[int]:
    """The examples in the first row of thumbnails and below, in their order."""
    page.wait_for_timeout(250)
    found: list[int] = page.evaluate(
        "[...document.querySelectorAll('.thumbnail')].sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)"
        ".map((one) => Number(one.dataset.example))"
    )
    return found


def sort(page: Page, column: str, down: bool) -> None:
    page.select_option("#sort-column", label=column)
    page.click("#sort-down" if down else "#sort-up")


def add_filter(page: Page, column: str, asked: str) -> None:
    page.select_option("#filter-column", label=column)
    page.fill("#filter-text", asked)
    page.click("#add-filter")


def decisions(page: Page) -> list[list[str]]:
    """The exported decisions.csv as a program reads it."""
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "decisions.csv"
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    return [[text_of(cell) for cell in line] for line in csv.reader(io.StringIO(text, newline=""))]


def test_what_to_do_comes_first_and_is_one_click_from_its_examples(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    assert page.inner_text("h1") == "Two findings to look at first"
    assert page.inner_text("#todo li:first-child .worth").startswith("5 examples")

    page.click("#todo li:first-child button")

    assert shown(page).startswith("5 of 600")
    assert order(page) == list(WRONG)  # the most suspicious first


def test_a_column_that_a_practice_flags_is_one_click_from_the_order_by_it(opened: Open, tmp_path: Path) -> None:
    images, labels = digits()
    brightness = images[:300].mean((1, 2)) / 255
    dataset = arrays(images[:300], labels[:300], brightness=brightness)
    tied = pd.DataFrame({"column": ["brightness"], "score": [0.9], "flagged": [True]})
    bias = Finding(summary="The brightness tells the label.", table=tied, practice="data/bias")
    page = opened(write_browser(surveyed(tmp_path, dataset, [bias])).page)
    assert page.inner_text("#todo .worth") == "the column brightness"

    page.click("#todo button")

    assert order(page)[:5] == np.argsort(-brightness, kind="stable")[:5].tolist()


def test_filters_by_label_by_number_and_by_words_hold_together(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    labels = digits_with_labels(page)

    page.select_option("#by-label", value="3")
    threes = labels.count("3")
    assert shown(page).startswith(f"{threes} of 600")
    add_filter(page, "suspicion", "> 0.5")
    suspicious = [row for row in WRONG if labels[row] == "3"]
    assert shown(page).startswith(f"{len(suspicious)} of 600")

    page.click("#chips button")
    page.click("#chips button")
    add_filter(page, "split", "!=train")
    assert "train" not in {row_of(page, example, "split") for example in order(page)}


@pytest.mark.parametrize(("asked", "count"), [("0.9..1", 5), (">= 0.99", 1), ("< 0.0", 0), ("=0.99", 1)])
def test_numbers_are_filtered_by_what_they_are(opened: Open, digits_page: Path, asked: str, count: int) -> None:
    page = opened(digits_page)

    add_filter(page, "suspicion", asked)

    assert shown(page).startswith(f"{count} of 600")
    assert page.is_visible("#nothing") == (count == 0)


def test_search_finds_words_in_whichever_column(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)

    page.fill("#search", "digit-59 train")

    page.wait_for_timeout(300)
    assert 0 < len(order(page)) < 12
    assert {row_of(page, example, "split") for example in order(page)} == {"train"}


def test_two_columns_sort_together_the_first_one_first(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.click("#chips button")  # suspicion, by which the page is sorted at first
    sort(page, "label", down=True)
    sort(page, "suspicion", down=False)

    keys = [(-int(row_of(page, one, "label")), float(row_of(page, one, "suspicion") or "inf")) for one in order(page)]

    assert len(keys) > 20
    assert keys == sorted(keys)
    assert [chip.inner_text() for chip in page.query_selector_all("#chips button")] == ["↓ label", "↑ suspicion"]


def test_headings_of_rows_sort_and_filter_the_thumbnails_too(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.click("#as-rows")
    page.fill(".tabulator-col:has-text('found by') input", "duplicates")
    page.wait_for_timeout(600)
    page.click("#as-thumbnails")

    assert shown(page).startswith("4 of 600")
    assert sorted(order(page)) == [0, 1, 598, 599]


def test_marks_are_exported_exactly(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.click("#todo li:first-child button")
    page.click("#thumbnail-3")
    page.keyboard.press("r")
    assert page.input_value("#ask-value") == "0"  # as the table suggests
    page.fill("#ask-value", 'a, "b"\n=1'.replace("\n", " "))
    page.fill("#ask-why", "=SUM(A1)")
    page.keyboard.press("Enter")
    page.keyboard.press("d")
    page.keyboard.press("k")
    page.keyboard.press("g")
    page.fill("#ask-value", "-thick")
    page.keyboard.press("Enter")

    assert decisions(page) == [
        ["id", "action", "value", "why"],
        ["digit-3", "relabel", 'a, "b" =1', "=SUM(A1)"],
        ["digit-40", "drop", "", "data/label_noise"],
        ["digit-77", "keep", "", "data/label_noise"],
        ["digit-200", "group", "-thick", "data/label_noise"],
    ]


def test_no_cell_of_the_export_is_a_formula(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.click("#thumbnail-3")
    for value in ("=1+1", "+x", "-1", "@a", "'=x", "a;=b", "+"):
        page.keyboard.press("r")
        page.fill("#ask-value", value)
        page.keyboard.press("Enter")
        assert value in [line[2] for line in decisions(page)]
    with page.expect_download() as download:
        page.click("#export")
    cells = [line.split(",")[2] for line in Path(download.value.path()).read_text().splitlines()[1:]]
    assert set(cells) == {"'=1+1", "'+x", "-1", "'@a", "''=x", "a;'=b", "+"}


def test_many_are_marked_at_once_and_unmarked(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    add_filter(page, "found by", "data/label_noise")
    page.wait_for_timeout(300)
    page.click("#select-shown")
    page.click("[data-action=drop]")
    assert len(decisions(page)) == 1 + len(WRONG)

    page.click("[data-action=clear]")

    assert page.inner_text("#export") == "Export decisions.csv (0)"


def test_marks_survive_a_reload_and_are_found_by_a_filter(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.click("#thumbnails")
    page.keyboard.press("Escape")
    page.keyboard.press("d")

    page.reload()
    page.wait_for_selector("html[data-ready]")

    assert page.inner_text("#export") == "Export decisions.csv (1)"
    page.select_option("#by-mark", value="drop")
    assert shown(page).startswith("1 of 600")


def test_marks_of_one_data_set_are_not_those_of_another(opened: Open, digits_page: Path, tmp_path: Path) -> None:
    page = opened(digits_page)
    page.focus("#thumbnails")
    page.keyboard.press("d")
    other = opened(write_browser(Surveyed(table(tmp_path, breast_cancer()))).page)

    assert other.inner_text("#export") == "Export decisions.csv (0)"


def test_all_goes_by_keyboard(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # to the examples
    page.focus("#thumbnails")
    first = order(page)[:3]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.inner_text("#detail h2") == row_of(page, first[1], "path")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#detail h2") == row_of(page, first[2], "path")
    page.keyboard.press("Escape")
    assert page.is_hidden("#detail")
    page.keyboard.press("x")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+X")
    assert "2 selected" in shown(page)
    page.keyboard.press("d")
    page.keyboard.press("/")
    page.keyboard.type("digit-599")
    assert shown(page).startswith("1 of 600")

    assert sorted(line[0] for line in decisions(page)[1:]) == sorted(f"digit-{one}" for one in first[1:])


def test_one_example_is_shown_with_its_findings_and_what_is_like_it(opened: Open, digits_page: Path) -> None:
    page = opened(digits_page)
    add_filter(page, "found by", "data/duplicates")
    page.wait_for_timeout(300)
    page.click("#thumbnail-0")
    page.wait_for_selector(".neighbours button")

    assert "data/duplicates: conflict false, kind content" in page.inner_text(".said")
    assert "digit-598" in page.inner_text(".said button")
    assert page.get_attribute(".neighbours button >> nth=0", "aria-label").startswith("0/digit-598")  # type: ignore[union-attr]
    page.click(".neighbours button >> nth=0")
    assert page.inner_text("#detail h2").endswith("digit-598.png")


def test_one_example_is_shown_with_what_a_probe_takes_it_for(opened: Open, tmp_path: Path) -> None:
    made = digits_with_faults(tmp_path)
    believed = np.full((len(made.dataset.targets), 10), 0.01)
    believed[np.arange(len(believed)), made.dataset.targets] = 0.2
    believed[:, 4] = 0.7
    page = opened(write_browser(replace(made, probabilities=believed)).page)

    page.click("[id^=thumbnail-] >> nth=0")
    page.wait_for_selector(".expected")

    told = page.locator(".expected li").all_inner_texts()
    assert len(told) == 3
    assert told[0].split() == ["4", "70", "%"]


def test_a_table_is_rows_with_neighbours(opened: Open, tmp_path: Path) -> None:
    page = opened(write_browser(Surveyed(table(tmp_path, breast_cancer()))).page)
    page.focus("#rows-pane")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".neighbours button")

    assert page.inner_text("#detail h2") == "row:1"
    assert "20.57" in page.inner_text(".cells")  # its mean radius
    assert page.is_hidden("#thumbnails")


def test_columns_of_a_users_own_may_be_called_as_those_of_the_page(opened: Open, tmp_path: Path) -> None:
    named = {"mean radius": "mark", "mean texture": "found by", "mean area": "suspicion", "area error": "id"}
    page = opened(write_browser(Surveyed(table(tmp_path, breast_cancer().rename(columns=named)))).page)
    page.focus("#rows-pane")
    page.keyboard.press("d")

    page.select_option("#by-mark", value="drop")

    assert shown(page).startswith("1 of 569")
    assert decisions(page)[1][1:] == ["drop", "", ""]


def test_nothing_of_hostile_data_runs_or_hides(opened: Open, tmp_path: Path) -> None:
    images, _ = digits()
    cells = [cell.replace("\0", "?") for cell in CELLS]
    count = len(cells)
    dataset = arrays(images[:count], cells, split=["train"] * count)
    dataset.manifest["path"] = cells
    dataset.manifest[cells[:30]] = "cell"
    dataset = replace(dataset, user_columns=tuple(cells[:30]))
    told = label_noise(dataset, range(0, count, 2))
    told = replace(told, summary=cells[0], advice=cells[1])
    page = opened(write_browser(surveyed(tmp_path, dataset, [told])).page)

    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.click("#as-rows")
    page.focus("#rows-pane")
    for _ in range(count):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    page.reload()
    page.wait_for_selector("html[data-ready]")

    assert page.get_attribute("html", "data-ran") is None
    page.fill("#search", "gnp.exe")
    page.wait_for_timeout(400)
    assert "⟨U+202E⟩" in page.get_attribute(".thumbnail", "aria-label")  # type: ignore[operator]


def test_sixty_thousand_open_sort_and_scroll(opened: Open, tmp_path: Path) -> None:
    images, labels = digits()
    many = np.tile(images, (34, 1, 1))[:60_000]
    dataset = arrays(many, np.tile(labels, 34)[:60_000])
    page_path = write_browser(surveyed(tmp_path, dataset, [label_noise(dataset, range(100, 60_000, 500))])).page

    page = opened(page_path)
    page.set_default_timeout(NO_LONGER)
    assert shown(page).startswith("60,000 of 60,000")
    sort(page, "label", down=True)
    frames = page.evaluate(
        """async () => {
          const box = document.querySelector("#thumbnails"), taken = [];
          for (let step = 0; step < 40; step++) {
            const began = performance.now();
            box.scrollTop += 5000;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            taken.push(performance.now() - began);
          }
          return taken.sort((a, b) => a - b);
        }"""
    )

    assert frames[20] < PER_FRAME
    assert len(order(page)) < 300  # only those in view are there
    page.select_option("#by-label", value="0")
    assert shown(page).startswith(f"{int((np.tile(labels, 34)[:60_000] == 0).sum()):,} of 60,000")


@pytest.mark.parametrize("kind", ["digits", "table"])
def test_on_a_phone_the_page_is_one_column_and_no_wider_than_it(
    browser: Browser, digits_page: Path, tmp_path: Path, kind: str
) -> None:
    path = digits_page if kind == "digits" else write_browser(Surveyed(table(tmp_path, breast_cancer()))).page
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")

    def overflow() -> int:
        wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wider

    assert overflow() == 0
    page.tap("#thumbnail-3" if kind == "digits" else ".tabulator-row")
    page.wait_for_selector("#detail h2")
    page.tap("#detail .actions button:has-text('drop')")
    assert page.inner_text("#export") == "Export decisions.csv (1)"
    assert overflow() == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_to_be_read(browser: Browser, digits_page: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3, level AA: 4.5 to 1."""
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(digits_page.as_uri())
    page.wait_for_selector("html[data-ready]")
    colours = page.evaluate(
        """() => Object.fromEntries(["paper", "card", "here", "ink", "soft", "link", "warn", "pass"].map(
          (name) => [name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()]))"""
    )
    context.close()

    for ground in ("paper", "card", "here"):
        for text in ("ink", "soft", "link", "warn", "pass"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(text: str, ground: str) -> float:
    bright, dark = sorted((luminance(text), luminance(ground)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def digits_with_labels(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "Array.from({length: examples.count}, (_, i) => examples.text(examples.named('label'), i))"
    )
    return found


def row_of(page: Page, example: int, column: str) -> str:
    found: str = page.evaluate("([name, i]) => examples.text(examples.named(name), i)", [column, example])
    return found
