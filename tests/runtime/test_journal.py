"""Journals keep every whole line, whatever a crash leaves of one."""

from pathlib import Path

import pytest

from recipe.errors import WorkspaceError
from recipe.runtime.journal import append, entries


def test_what_is_appended_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    for number in range(3):
        append(path, {"number": number, "name": f"bär\u2028{number}\n"})
    assert [entry["number"] for entry in entries(path)] == [0, 1, 2]
    assert entries(path)[2]["name"] == "bär\u20282\n"


@pytest.mark.parametrize("torn", ['{"number": 1', "[1, 2]", "nothing", "\xff"])
def test_a_line_that_was_cut_off_costs_neither_those_before_nor_the_next(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "journal.jsonl"
    append(path, {"number": 0})
    with open(path, "ab") as journal:
        journal.write(torn.encode("latin-1"))
    append(path, {"number": 2})
    assert [entry["number"] for entry in entries(path)] == [0, 2]


def test_there_is_nothing_in_a_journal_that_is_not_there(tmp_path: Path) -> None:
    assert entries(tmp_path / "journal.jsonl") == []


def test_a_journal_whose_folder_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="Cannot write"):
        append(tmp_path / "file" / "journal.jsonl", {})
