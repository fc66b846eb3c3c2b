"""The page of what makes each practice fail is whole and true."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "what-makes-each-practice-fail.md"
SECTION = re.compile(r"^## (\w+)$", re.MULTILINE)
ROW = re.compile(r"^\| `([a-z_]+/[a-z_]+)` \| (.+?) \| (?:`(.+?)::(\w+)` )?\|$", re.MULTILINE)
OF_DELIVERY = "_of_delivery"  # ends the name of a practice of a delivery
LIMITS = {"at_most", "at_least"}  # what a requirement is made by

Row = tuple[str, str]  # the section, which is the stage or what else it is asked of, and the practice's id


def rows() -> dict[Row, tuple[str, str, str]]:
    """What the page says of each practice: the fault, and the file and the function of the test."""
    _, *parts = SECTION.split(PAGE.read_text(encoding="utf-8"))
    sections = zip(parts[::2], parts[1::2], strict=True)
    return {(section, id): tuple(rest) for section, text in sections for id, *rest in ROW.findall(text)}


@cache
def practices() -> dict[Row, tuple[Path, str]]:
    """Where each registered practice is: its file, and the function's name."""
    found = {}
    for file in (ROOT / "recipe").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            for decorator in getattr(node, "decorator_list", []):
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "practice":
                    section = "monitor" if file.parent.name == "monitoring" else file.parent.name
                    section = "delivery" if node.name.endswith(OF_DELIVERY) else section
                    found[section, ast.literal_eval(decorator.args[0])] = (file, node.name)
    return found


def requires(file: Path) -> bool:
    """Whether the practice in `file` requires anything."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return bool(LIMITS & {node.id for node in nodes if isinstance(node, ast.Name)})


def test_every_practice_has_its_row_and_no_other_has_one() -> None:
    assert set(rows()) == set(practices())


@pytest.mark.parametrize("row", practices(), ids="/".join)
def test_what_is_knowledge_is_called_so_and_everything_else_names_a_test(row: Row) -> None:
    fault, file, function = rows()[row]
    is_knowledge = not requires(practices()[row][0])
    assert fault.startswith("*knowledge*") == is_knowledge
    assert bool(file and function) != is_knowledge
    assert is_knowledge or fault.startswith(("fail: ", "warn: "))


@pytest.mark.parametrize("row", [row for row, said in rows().items() if said[1]], ids="/".join)
def test_the_test_that_a_row_names_is_there_and_is_about_that_practice(row: Row) -> None:
    _, file, function = rows()[row]
    told = with_helpers(ROOT / file, function)
    names = {row[1].partition("/")[2], practices()[row][1]}
    assert any(re.search(rf"\b{name}\b", told) for name in names)


def with_helpers(file: Path, function: str) -> str:
    """The source of a test, and of the functions of its file that it names."""
    source = file.read_text(encoding="utf-8")
    defined = {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    named = [name for name in defined if re.search(rf"\b{name}\b", defined[function])]
    return "\n".join(defined[name] for name in named)
