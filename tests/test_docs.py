"""The README and the pages of docs/ say only what the code has: practices, settings, commands, files, links."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from recipe.report.findings import STAGES
from recipe.settings.composition import compose

ROOT = Path(__file__).parent.parent
FILES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*-*.md")))
PAGES = {path.relative_to(ROOT).as_posix(): path for path in FILES}

FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
DEFINED = re.compile(r'@practice\("([^"]+)"\)')
PRACTICE = re.compile(rf"(?<![\w/])((?:{'|'.join(STAGES)})/(?!prepared|incoming|quarantine)[a-z_]+)\b(?![./])")
SETTING = re.compile(r"^([a-z_]+(?:\.[a-z_]+)*)(?:=(\S+))?$", re.MULTILINE)
TAKES_OVERRIDES = re.compile(r"(?:recipe (?:run|flow|check)|dvc exp run|make run)\b")
WRITTEN = re.compile(r"^\*\*\d\. [^`]*`([^`]+)`", re.MULTILINE)  # a file that a page tells to write
CODE_FILE = re.compile(r"(?:benchmarks|conf|docs|flows|recipe|tasks|tests)/[\w./-]*")


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> Path:
    return PAGES[request.param]


def test_every_practice_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    code = "".join(file.read_text() for file in (ROOT / "recipe" / "practices").rglob("*.py"))
    defined = set(DEFINED.findall(code + text))  # a page may define one as its example
    named = {practice for passage in in_code(text) for practice in PRACTICE.findall(passage)}
    assert named <= defined


def test_every_override_on_a_page_composes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = WRITTEN.findall(page.read_text())
    for overrides in {tuple(found) for found in overrides_in(page.read_text())}:
        if any(f"conf/{override.replace('=', '/')}.yaml" in written for override in overrides):
            continue  # tests/test_add_a_data_kind.py writes it
        make_data(tmp_path, overrides)
        assert compose(ROOT, overrides)


def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    settings = default_settings()
    for key, value in SETTING.findall("\n".join(SPAN.findall(FENCE.sub("", page.read_text())))):
        top, *below = key.split(".")
        if top not in settings or not (below or value):
            continue
        held = settings
        for name in (top, *below):
            assert name in held, key
            held = held[name]
        if isinstance(held, dict):
            assert (ROOT / "conf" / top / f"{value}.yaml").is_file(), f"{key}={value}"


@cache
def default_settings() -> dict[str, Any]:
    return compose(ROOT, [])


def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    passages = in_code(page.read_text())
    named = {name for passage in passages for name in re.findall(r"^make ([a-z]+)", passage, flags=re.MULTILINE)}
    assert named <= targets


def test_every_link_leads_to_a_page_that_is_there(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            there = page.parent / path if path else page
            assert there.resolve().is_relative_to(ROOT)
            assert there.exists(), target
            assert not heading or heading in headings(there), target


def headings(page: Path) -> set[str]:
    """The headings of a page, as a link names them."""
    lines = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_file_of_the_code_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    examples = [practice.partition("/")[2] for practice in DEFINED.findall(text)]  # what the page tells to write
    for span in set(SPAN.findall(FENCE.sub("", text))) - set(WRITTEN.findall(text)):
        if CODE_FILE.fullmatch(span) and not any(name in span for name in examples):
            assert (ROOT / span).exists(), span


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target in LINK.findall((ROOT / "README.md").read_text())}
    assert {path for path in PAGES.values() if path.name != "README.md"} <= linked


def test_the_test_that_the_readme_shows_passes() -> None:
    names: dict[str, object] = {}
    exec(python_blocks(PAGES["README.md"])[0], names)
    test = names["test_my_model_starts_right_and_overfits_one_batch"]
    assert callable(test)
    test()


def test_the_model_that_the_docs_show_fits_the_contract(digits: tuple[Tensor, Tensor]) -> None:
    from recipe.training.experiment import make_experiment

    names: dict[str, object] = {}
    exec(python_blocks(PAGES["docs/bring-your-model.md"])[0], names)
    model = names["MyNet"]
    assert callable(model)
    images, labels = (part[:64] for part in digits)
    exp = make_experiment(model, (images, labels), (images, labels), model_settings={"width": 8})
    assert exp.checked().new_model()(images[:2]).shape == (2, 10)


def python_blocks(page: Path) -> list[str]:
    return [code for language, code in FENCE.findall(page.read_text()) if language == "python"]


def in_code(text: str) -> list[str]:
    """What stands in code blocks and between backticks."""
    return [code for _, code in FENCE.findall(text)] + SPAN.findall(FENCE.sub("", text))


def overrides_in(text: str) -> Iterator[list[str]]:
    return overrides_of(line for passage in in_code(text) for line in passage.splitlines())


def overrides_of(lines: Iterable[str]) -> Iterator[list[str]]:
    """The overrides of each line that is a command which takes some."""
    for line in lines:
        command = TAKES_OVERRIDES.search(line)
        if command is None or "[OVERRIDE" in line:
            continue
        words = shlex.split(line[command.start() :].replace("ARGS=", "").replace('"', ""), comments=True)
        if found := [word for word in words if "=" in word and not word.startswith(("-", "TORCH_INDEX"))]:
            yield found


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that the pages call one's own; settings are composed without running it."""
    (tmp_path / "nets.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


def make_data(folder: Path, overrides: Sequence[str]) -> None:
    """The file or folder that `data.path` names, and the file of weights that `pretrained` does."""
    for override in overrides:
        if override.startswith("data.path="):
            (folder / override.partition("=")[2]).mkdir(exist_ok=True)
        elif override.startswith("pretrained=") and ":" not in override:
            (folder / override.partition("=")[2]).touch()
