"""Tables as CSV that a person may open in a spreadsheet: no cell of theirs is a formula.

Excel, LibreOffice and Google Sheets take a cell for a formula by its first character, and some run programs or fetch
pages for it. Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection. What that means to
programs is told in docs/decisions/011-no-cell-is-a-formula.md.
"""

import csv
import re
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

# OWASP's list; with the wide forms of the signs, which spreadsheets with Japanese settings take for the same
SIGNS = "=+\\-@\t\r\n＝＋－＠"
# A spreadsheet whose own separator is another than the comma begins a cell after that one.
BEGIN = r"(?:^|(?<=[;\t\r\n]))"
FORMULA = re.compile(rf"{BEGIN}(?='*[{SIGNS}])")
MARKED = re.compile(rf"{BEGIN}'(?='*[{SIGNS}])")
ALONE = re.compile(f"[{SIGNS}]+")  # a class that is called + or -, as in UCI's credit data, computes nothing
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def table_csv(table: pd.DataFrame) -> str:
    """`table` as CSV, with a header and without the index; text that a spreadsheet would compute is marked."""
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    texts = [column if is_numeric_dtype(column) else column.map(_marked) for column in columns]
    plain = pd.DataFrame(dict(enumerate(texts)), index=table.index)
    header = [cell(str(name)) for name in table]
    text = str(plain.to_csv(index=False, header=header, lineterminator="\n"))
    if "\r" in text:  # Python quotes it from 3.13 on; bare it ends the row
        text = str(plain.to_csv(index=False, header=header, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC))
    return text


def cell(text: str) -> str:
    """`text` with a single quote before what would begin a formula; numbers, mere signs and all else as they are."""
    return text if NUMBER.fullmatch(text) or ALONE.fullmatch(text) else FORMULA.sub("'", text)


def text_of(cell: str) -> str:
    """The inverse of `cell`: what it was made of."""
    return MARKED.sub("", cell)


def _marked(value: Any) -> Any:
    return cell(value) if isinstance(value, str) else value
