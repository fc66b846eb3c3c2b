"""docs/what-makes-each-practice-fail.md, made from what stands at the practices and at the tests of their faults.

    python -m tests.faults_page

A test that shows a practice fail says so by `@pytest.mark.fault(PRACTICE, FAULT)`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "what-makes-each-practice-fail.md"
STAGES = ("data", "baseline", "overfit", "regularize", "tune", "squeeze")
DELIVERY, MONITOR = "delivery", "monitor"
OF_DELIVERY = "_of_delivery"  # ends the name of a practice of a delivery
REQUIREMENTS = "requirements"  # what a finding that may fail is given
HEAD = """# What makes each practice fail

A check that cannot fail is worth nothing. Here is each practice, in the recipe's order, with a fault that makes it fail
or warn, and the test that shows it does. The page is made from the tests, by `python -m tests.faults_page`, and one of
them holds that no practice is without.

Where it says *knowledge*, the practice gives a figure and requires nothing of it, so it can stop nobody. The report
shows it so, or, of a change that was tried, as one that holds, is refuted, or is open.
"""
OF_A_DELIVERY = "The checks of a delivery have the ids of the checks of the data set that they belong to.\n"
COLUMNS = "| practice | what makes it fail or warn | shown by |\n| --- | --- | --- |"

Row = tuple[str, str]  # the section, which is the stage or what else it is asked of, and the practice's id


@dataclass(frozen=True)
class Registered:
    """A practice: its file, its function, what its module says it is, and whether it requires anything."""

    file: Path
    function: str
    subject: str
    requires: bool


@dataclass(frozen=True)
class Shown:
    """A fault, and the test that shows it."""

    fault: str
    file: Path
    function: str


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for section in (*STAGES, DELIVERY, MONITOR):
        table = [COLUMNS, *(_line(row) for row in practices() if row[0] == section)]
        parts.append("\n".join([f"## {section}\n", *([OF_A_DELIVERY] if section == DELIVERY else []), *table, ""]))
    return "\n".join(parts)


def _line(row: Row) -> str:
    found = practices()[row]
    if not found.requires:
        return f"| `{row[1]}` | *knowledge*: {found.subject} | |"
    shown = faults()[row]
    return f"| `{row[1]}` | {shown.fault} | `{shown.file.relative_to(ROOT)}::{shown.function}` |"


@cache
def practices() -> dict[Row, Registered]:
    """Each registered practice, in the order of its stage."""
    found = {}
    for file in (
        *sorted((ROOT / "recipe" / "practices").glob("*/*.py")),
        *(ROOT / "recipe" / "monitoring").glob("*.py"),
    ):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        given = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
        subject = (ast.get_docstring(tree) or "").split("\n")[0].partition(": ")[2].rstrip(".")
        for node, id in _decorated(tree, "practice"):
            section = MONITOR if file.parent.name == "monitoring" else file.parent.name
            section = DELIVERY if node.name.endswith(OF_DELIVERY) else section
            found[section, id] = Registered(file, node.name, subject, REQUIREMENTS in given)
    places = {section: _order(section) for section in (*STAGES, DELIVERY)}
    return dict(sorted(found.items(), key=lambda one: places.get(one[0][0], {}).get(one[1].function, 0)))


def _order(stage: str) -> dict[str, int]:
    """The place of each function in the stage's list."""
    tree = ast.parse((ROOT / "tasks" / f"{stage}.py").read_text(encoding="utf-8"))
    lists = (node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PRACTICES")
    names = [node.id for node in ast.walk(next(lists).value) if isinstance(node, ast.Name)]
    return {name: place for place, name in enumerate(names)}


@cache
def faults() -> dict[Row, Shown]:
    """What the tests say that they show, by the practice that it makes fail."""
    found = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if "mark.fault(" not in text:
            continue
        for node, id, fault in _marked(ast.parse(text)):
            section = DELIVERY if file.parent.name == DELIVERY else id.partition("/")[0]
            found[section, id] = Shown(fault, file, node.name)
    return found


def _decorated(tree: ast.Module, name: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == name:
                assert isinstance(node, ast.FunctionDef)
                yield node, ast.literal_eval(decorator.args[0])


def _marked(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str, str]]:
    for node in tree.body:
        for decorator in getattr(node, "decorator_list", []):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
                assert isinstance(node, ast.FunctionDef)
                id, fault = map(ast.literal_eval, decorator.args)
                yield node, id, fault


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
