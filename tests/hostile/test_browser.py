"""Every page of hostile cells in a real browser, which reports whatever of theirs runs."""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.hostile.cells import CELLS
from tests.hostile.conftest import Made

pytestmark = pytest.mark.acceptance

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=3000"),
)
SECONDS = 120
# What a person may do on a page: point at anything, go into it, press it, and open every link that is a script.
PROVOKE = """<script>addEventListener("load", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  for (const part of document.querySelectorAll("*")) {
    for (const kind of ["mouseover", "mouseenter", "focus", "toggle"]) part.dispatchEvent(new Event(kind));
    if (part.href && String(part.href).startsWith("javascript:")) part.click();
  }
  document.documentElement.dataset.provoked = 1;
});</script>"""


class Root(HTMLParser):
    """The attributes of a page's root element."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.attributes: dict[str, str | None] = {}
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.attributes = dict(attrs)


def opened(page: str, folder: Path) -> dict[str, str | None]:
    """What the root element says once `page` was opened and provoked."""
    head, body = page.split("<head>", 1)
    path = folder / "page.html"
    path.write_text(f"{head}<head>{PROVOKE}{body}", encoding="utf-8")
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'browser'}", "--dump-dom", path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    return Root(shown.stdout).attributes


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium: apt-get install chromium")
def test_the_browser_reports_what_runs_on_a_page_that_shows_cells_raw(tmp_path: Path) -> None:
    for cell in (CELLS[0], "<svg onload=document.documentElement.dataset.ran=1>", CELLS[15], CELLS[33]):
        root = opened(f"<!doctype html><html><head></head><body><p>{cell}</p></body></html>", tmp_path)
        assert root["data-ran"] == "1" and root["data-provoked"] == "1", cell


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium: apt-get install chromium")
def test_nothing_of_theirs_runs_on_any_page(hostile: Made, tmp_path: Path) -> None:
    for name, path in hostile.pages.items():
        root = opened(path.read_text(encoding="utf-8"), tmp_path)
        assert root.get("data-provoked") == "1", name
        assert "data-ran" not in root, name
