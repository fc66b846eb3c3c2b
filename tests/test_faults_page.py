"""Every practice has a fault that a test shows it fail for, and the page that lists them is the present one."""

import ast
import re

import pytest

from tests.faults_page import PAGE, Row, faults, page, practices


def test_every_practice_that_requires_something_has_a_test_that_shows_it_fail() -> None:
    assert {row for row, practice in practices().items() if practice.requires} == set(faults())


@pytest.mark.parametrize("row", faults(), ids="/".join)
def test_a_fault_says_what_comes_of_it_and_its_test_is_about_that_practice(row: Row) -> None:
    shown = faults()[row]
    assert shown.fault.startswith(("fail: ", "warn: "))
    names = {row[1].partition("/")[2], practices()[row].function}
    told = with_helpers(shown.file.read_text(encoding="utf-8"), shown.function)
    assert any(re.search(rf"\b{name}\b", told) for name in names)


def test_the_page_is_made_from_the_present_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "renew it: python -m tests.faults_page"


def with_helpers(source: str, function: str) -> str:
    """The source of a test without its marks, and of the functions of its file that it names."""
    defined = {
        node.name: "\n".join(ast.unparse(part) for part in (node.args, *node.body))
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
    }
    named = [name for name in defined if re.search(rf"\b{name}\b", defined[function])]
    return "\n".join([defined[function], *(defined[name] for name in named)])
