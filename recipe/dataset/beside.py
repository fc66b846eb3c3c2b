"""Examples read as the data set is that they are held against: a delivery to join it, or a batch from production."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recipe.dataset.labels import NOT_POSITIVE, coded, label_numbers
from recipe.dataset.manifest import Examples, quarantine_of
from recipe.dataset.stored import Dataset
from recipe.dataset.target_scale import on_scale, standardised
from recipe.settings import nearest

READY = "_READY"  # in a delivery or behind its name: it is whole
SPLIT_OF_DELIVERY = "delivery"  # what stands in the manifest until the ledger assigns a split
UNKNOWN = "the data set has no class "
NO_LABEL, NO_NUMBER = "the label is missing", "the label is no finite number such as "


@dataclass(frozen=True)
class Beside:
    """What was read.

    `dataset` holds the examples that can be used, prepared as the data set is, and in its quarantine the others;
    `cells` (N, C) the rows as they would be written behind the data set's own, by their 0-based numbers in the file;
    without columns where the data set is a folder.
    """

    dataset: Dataset
    cells: pd.DataFrame


def beside(reference: Dataset, examples: Examples, inputs: np.ndarray, labelled: bool) -> Dataset:
    """`examples` with their `inputs` (N, ...) as a data set like `reference`, with targets where `labelled`."""
    manifest = examples.manifest.assign(split=SPLIT_OF_DELIVERY)
    return replace(
        reference,
        manifest=manifest,
        quarantine=quarantine_of(examples.rejected),
        inputs=inputs,
        targets=_targets(manifest["label"], reference) if labelled else np.empty((len(manifest), 0), np.float32),
        rows=examples.rows.reindex(manifest.index),
        split_given=False,
        user_columns=tuple(name for name in examples.user_columns if name in reference.user_columns),
        notes=tuple(examples.notes),
    )


def label_faults(labels: pd.Series, reference: Dataset) -> pd.Series:
    """Why a label (text, missing as NaN) is none of the data set's, missing where it is one."""
    classes = reference.preparation["classes"]
    if classes is None:
        style = reference.preparation["label"]["style"]
        numbers = label_numbers(labels, style)
        has_no_place = np.isnan(on_scale(numbers, reference.preparation["target"]))
        reasons = np.select([np.isnan(numbers), has_no_place], [NO_NUMBER + style, NOT_POSITIVE], "")
    else:
        known = [str(name) for name in classes]
        unknown = {
            label: f"{UNKNOWN}'{label}'{nearest(label, known)}" for label in set(labels.dropna()) if label not in known
        }
        reasons = labels.map(unknown).fillna("").to_numpy(dtype=object)
    reasons = np.where(labels.isna(), NO_LABEL, reasons)
    return pd.Series(reasons, index=labels.index, dtype="str").replace("", np.nan)


def _targets(labels: pd.Series, reference: Dataset) -> np.ndarray:
    """Labels as the data set stores them: int64 (N,) for classes, else float32 (N, 1) standardised."""
    preparation = reference.preparation
    if preparation["classes"] is not None:
        return coded(labels, preparation["classes"])
    return standardised(label_numbers(labels), preparation["target"])
