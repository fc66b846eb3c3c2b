"""A data kind is one object: how its examples are read, prepared, compared, drawn, and predicted from raw input."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.beside import Beside
from recipe.dataset.manifest import Examples
from recipe.dataset.stored import Dataset
from recipe.dataset.table_files import TABLE_SUFFIXES
from recipe.settings import Data
from recipe.settings.kinds import kind_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

Preparation = dict[str, Any]  # the content of preparation.json
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

MODULES = {"images": "image_folder"}  # by a kind's name, where the module has another
FEWEST_NUMBERS = 5  # in fewer dimensions honest examples lie arbitrarily near each other
SAMPLED = 1_024  # examples that tell which numbers vary


@dataclass(frozen=True)
class RawInputs:
    """Some of the inputs to predict: what names each (n): path, and for a row of a file row; what is wrong with each
    (n), None where nothing is; and of those without an error what is stored of such examples.
    """

    named: pd.DataFrame
    errors: list[str | None]
    inputs: np.ndarray


def flat(inputs: np.ndarray) -> Vectors:
    """Stored inputs (N, ...) as float32 (N, D); float32 rows stay memory-mapped."""
    return np.asarray(inputs, dtype=np.float32).reshape(len(inputs), -1)


def has_enough_numbers(inputs: np.ndarray) -> bool:
    """Whether so many of the numbers of an example take more than two values that a distance says something."""
    sample = flat(inputs[:SAMPLED])
    return sum(len(np.unique(sample[:, column])) > 2 for column in range(sample.shape[1])) >= FEWEST_NUMBERS


def none_blank(dataset: Dataset, settings: Any, start: int) -> pd.DataFrame:
    """No example is blank: no rows."""
    return pd.DataFrame({"row": pd.Series(dtype="int64"), "reason": pd.Series(dtype="str"), "score": []})


def files_in(entries: Sequence[Path], preparation: Preparation) -> list[Path]:
    """The tables among the `entries` of a folder."""
    return [entry for entry in entries if entry.is_file() and entry.suffix.lower() in TABLE_SUFFIXES]


@dataclass(frozen=True)
class Kind:
    """What a data set of this kind can be asked; docs/add-a-data-kind.md makes one.

    Inputs are as `prepare` stores them, (N, ...): bytes reach the net as float32 in 0..1, all else as the same numbers.
    `where` names the source in a sentence. What reads raises DataError for what a person can mend.

    Attributes:
        name: that of its module, which preparation.json has; in sentences, what its examples are called.
        example: what one of them is called.
        code: a module that runs where this project is absent, shipped with exported models: `raw_columns(preparation)`
            gives the columns of a raw input, `prepare_inputs(rows, preparation)` what is stored of such rows, and
            raises ValueError with a sentence.
        read: (path, data, inputs) the labelled examples of the source; may write their inputs to `inputs` (.npy).
        prepare: (examples, training, data, where, inputs) the inputs' part of preparation.json by the statistics of the
            rows `training`; the inputs are in `inputs` thereafter.
        read_beside: (path, reference, labelled, inputs) examples read as `reference` is, and `inputs` a place for
            theirs; without `labelled` they need no labels, and a cell that is of no use counts as missing.
        read_raw: (paths, preparation) inputs to predict, so many at a time.
        prepared_again: (dataset, rows, preparation, source) those examples as a model of another preparation takes
            them; None where they cannot be, as without their `source` to read again. By default the raw rows, prepared.
        vet: raises for a preparation that no honest export writes.
        measured: what the manifest holds of measured columns, and the range of each where it has one.
        columns: the raw columns (N, C) of a cell a value, which are examined one by one.
        blank: (dataset, settings, start) which examples hold nothing, by the settings of data/blank: row, reason, score
            (0 to 1); those before `start` are only there to compare with.
        vectors: (N, D), in which near copies lie near.
        sketches: (N, d), an orthogonal projection of the vectors.
        pooled: (N, d), in which like examples lie near: for what is familiar, and what has drifted.
        features: (N, D), in which a cheap model learns well: what a probe sees.
        comparable: whether distances of these inputs say anything.
        are_copies: whether two inputs (2, ...) whose vectors are near are also alike.
        near_limit: how near copies are, of the settings of data/leakage.
        pictures: (inputs) what a person knows each by at a glance, uint8 (N, H, W) or (N, H, W, 3); None: no picture.
        draw: (inputs, titles, title) a picture of each input, or of each mean of some, as float64; None: there is none.
        decode: (batch, preparation) what the net gets, before any transform, as what a person looks at: images
            (N, C, H, W) in 0..1 or a table of text; None where there is no such thing.
        made_of: (preparation) of each number of a prepared row, the number of the column that it was made of, and
            whether it is a quantity; empty where there are no columns.
        batches_in: (entries of a folder, preparation) the batches among them; None: the folder is one itself.
    """

    name: str
    example: str
    code: ModuleType
    read: Callable[[Path, Data, Path], Examples]
    prepare: Callable[[Examples, Rows, Data, object, Path], Preparation]
    read_beside: Callable[[Path, Dataset, bool, Path], Beside]
    read_raw: Callable[[Sequence[Path], Preparation], Iterator[RawInputs]]
    prepared_again: Callable[[Dataset, Rows, Preparation, Path | None], np.ndarray | None] | None = None
    vet: Callable[[Preparation], None] = lambda preparation: None
    measured: Mapping[str, tuple[float, float | None] | None] = field(default_factory=dict)
    columns: Callable[[Dataset], pd.DataFrame] = lambda dataset: dataset.rows[[]]
    blank: Callable[[Dataset, Any, int], pd.DataFrame] = none_blank
    vectors: Callable[[np.ndarray], Vectors] = flat
    sketches: Callable[[np.ndarray], Vectors] = flat
    pooled: Callable[[np.ndarray], Vectors] = flat
    features: Callable[[np.ndarray], Vectors] = flat
    comparable: Callable[[np.ndarray], bool] = has_enough_numbers
    are_copies: Callable[[np.ndarray], bool] = lambda pair: True
    near_limit: Callable[[Any], float] = lambda settings: settings.near_rows
    pictures: Callable[[np.ndarray], np.ndarray] | None = None
    draw: "Callable[[np.ndarray, Sequence[str], str], Figure | None]" = lambda inputs, titles, title: None
    decode: "Callable[[Tensor, Preparation], Tensor | pd.DataFrame] | None" = None
    made_of: Callable[[Preparation], Sequence[tuple[int, bool]]] = lambda preparation: ()
    batches_in: Callable[[Sequence[Path], Preparation], list[Path] | None] = files_in


def kind_of(preparation: Mapping[str, Any]) -> Kind:
    """The kind of what was prepared so.

    Raises:
        ValueError: there is no such kind.
    """
    name = str(preparation["kind"])
    return kind_named(MODULES.get(name, name))


@cache
def kind_named(name: str) -> Kind:
    """The kind that recipe/dataset/kinds/NAME.py makes.

    Raises:
        ValueError: there is no such module.
    """
    if name not in kind_names():
        raise ValueError(f"there is no data kind '{name}'")
    kind: Kind = importlib.import_module(f"recipe.dataset.kinds.{name}").kind()
    assert MODULES.get(kind.name, kind.name) == name, "a kind is called as its module is"
    return kind


def inputs_for(
    model: str, preparation: Preparation, dataset: Dataset, rows: Rows, source: Path | None = None
) -> np.ndarray:
    """The examples `rows` as a model with a `preparation` of its own takes them, (n, ...).

    Args:
        model: what it is called in a sentence.
        source: the folder or file that they come from, where they may be read again.

    Raises:
        ValueError: they are not what it takes; a sentence.
        OSError: one cannot be read again.
    """
    kind, due = kind_of(preparation), dataset.preparation
    if preparation["kind"] != due["kind"]:
        raise ValueError(f"{model} takes {preparation['kind']}, and the data are {due['kind']}.")
    inputs: np.ndarray | None
    if kind.prepared_again:
        inputs = kind.prepared_again(dataset, rows, preparation, source)
    else:
        inputs = kind.code.prepare_inputs(dataset.rows.iloc[rows], preparation)
    if inputs is None:
        shapes = " where the data have ".join(" x ".join(map(str, one["input_shape"])) for one in (preparation, due))
        raise ValueError(f"{model} takes {kind.name} of {shapes}.")
    return inputs
