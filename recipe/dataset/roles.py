"""Which columns of a file are its label, split and group, what a row's content is, and what is left to learn from."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from recipe.dataset.manifest import no_column
from recipe.errors import DataError
from recipe.settings import Data


@dataclass(frozen=True)
class Roles:
    """The columns by what they are for; None where there is none."""

    label: str
    split: str | None
    group: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.label, self.split, self.group) if name is not None)


def roles_in(columns: Iterable[str], data: Data) -> Roles:
    """The columns that the settings name; `split` and `group`, which need not be there, in any case of letters."""
    names = [str(name) for name in columns]
    return Roles(data.label, _named(names, data, "split_column"), _named(names, data, "group_column"))


def require_roles(where: object, columns: Iterable[str], data: Data) -> Roles:
    """The same; `where` names the file in an error.

    Raises:
        DataError: the label, or a column that the settings name, is not there.
    """
    names = [str(name) for name in columns]
    if data.label not in names:
        raise DataError(no_column(where, "label", data.label, names, "set data.label to one of them"))
    for setting in ("split_column", "group_column"):
        wanted = getattr(data, setting)
        if wanted not in names and wanted != _default(setting):
            remedy = f"set data.{setting} to one of them, or leave it out"
            raise DataError(no_column(where, setting.removesuffix("_column"), wanted, names, remedy))
    return roles_in(names, data)


def require_no_columns(where: object, data: Data) -> None:
    """Of a source without columns.

    Raises:
        DataError: the settings name one.
    """
    for setting in ("split_column", "group_column"):
        if getattr(data, setting) != _default(setting):
            raise DataError(f"{where} has no columns, and data.{setting} names one: leave it out, or add a labels.csv.")


def feature_columns(columns: Iterable[str], data: Data, time_column: str | None) -> list[str]:
    """What is left to learn from once label, split, group, and what a split by time goes by are taken out."""
    return [name for name in content_columns(columns, data) if name != time_column]


def content_columns(columns: Iterable[str], data: Data) -> list[str]:
    """The columns by which a row is known again: all but label, split and group, and what is ignored.

    The time of a row is one of them, however the data are split: what a model has seen under one split must be known
    again under another, and two rows that differ in their time alone are two events.
    """
    names = [str(name) for name in columns]
    left_out = {*roles_in(names, data).names, *data.ignore}
    return [name for name in names if name not in left_out]


def without_ignored(frame: pd.DataFrame, where: object, data: Data) -> pd.DataFrame:
    """`frame` without the columns of data.ignore.

    Raises:
        DataError: one of them is not there.
    """
    for name in data.ignore:
        if name == data.label:
            raise DataError(f"data.ignore names '{name}', which is the label of {where}: leave it out of data.ignore.")
        if name not in frame.columns:
            raise DataError(no_column(where, "data.ignore", name, frame.columns, "name it as the file does"))
    return frame.drop(columns=list(data.ignore))


def _named(names: list[str], data: Data, setting: str) -> str | None:
    wanted = getattr(data, setting)
    if wanted in names:
        return str(wanted)
    if wanted != _default(setting):
        return None
    return next((name for name in names if name.casefold() == wanted), None)


def _default(setting: str) -> str:
    return str(Data.model_fields[setting].default)
