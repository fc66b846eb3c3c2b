"""The model in use: the registry's champion, or the workspace's final model where there is none."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe.dataset.kind import inputs_for
from recipe.dataset.stored import Dataset
from recipe.errors import WorkspaceError
from recipe.evidence import Finding
from recipe.report.findings import read_measured
from recipe.settings import Settings
from recipe.settings.metrics import deciding
from recipe.statistics.paired import PROBABILITY
from recipe.tracking.connection import SQLITE, TrackingError, connect, tracking_uri
from recipe.tracking.contents import FINAL_TEST
from recipe.tracking.registry import CHAMPION, RegistryError, find_version, metric_on_test, registered_name
from recipe.versioning.provenance import FINAL_MODEL

if TYPE_CHECKING:
    from recipe.inference.inference import FinalModel

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 4_096  # of a memory map: torch wants what it may write to


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def estimate_of(finding: Finding | None) -> Estimate | None:
    """What `finding` measured; None where that is nothing, or without an interval."""
    if finding is None or finding.measured is None or finding.interval is None:
        return None
    return Estimate(finding.measured, *finding.interval)


@dataclass(frozen=True)
class Champion:
    """A model, what it is called, and its metric on the test set, where that is known."""

    model: FinalModel
    name: str
    test: Estimate | None


@dataclass(frozen=True)
class Answers:
    """What a model says of inputs.

    `table` is as the model gives it; `compared` (N,) are the largest probabilities of classes, or the first number.
    """

    table: pd.DataFrame
    compared: np.ndarray


def find_champion(workspace: Path, settings: Settings) -> Champion | None:
    """The champion of the data set's registered model, else the model in models/final, else nothing.

    Raises:
        ModelError: there is one that cannot be read.
    """
    return _registered(workspace, settings) or _final(workspace)


def _registered(workspace: Path, settings: Settings) -> Champion | None:
    from recipe.inference.predict import load_registered

    uri = tracking_uri(workspace, settings)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return None
    reference = f"models:/{registered_name(settings.data.name)}@{CHAMPION}"
    try:
        version = find_version(connect(uri), reference)
    except RegistryError:
        return None
    except TrackingError as error:
        logger.warning("%s Until then the final model here is taken.", error)
        return None
    name = f"{version.name} version {version.version}"
    model = load_registered(reference, uri)
    metric = metric_on_test(version.tags, deciding(model.preparation["task"], settings.metrics))
    return Champion(model, name, Estimate(*metric) if metric else None)


def _final(workspace: Path) -> Champion | None:
    from recipe.inference.predict import load_folder

    folder = workspace / FINAL_MODEL
    if not folder.is_dir():
        return None
    return Champion(load_folder(folder), FINAL_MODEL.as_posix(), _measured(workspace / "reports"))


def _measured(reports: Path) -> Estimate | None:
    try:
        findings = read_measured(reports, "squeeze").findings
    except WorkspaceError:
        return None
    return estimate_of(next((one for one in findings if one.practice == FINAL_TEST), None))


def answers(champion: Champion, dataset: Dataset, rows: NDArray[np.int64]) -> Answers:
    """What the champion says of the examples `rows` (n,).

    Raises:
        ValueError: the champion takes other inputs; a sentence.
    """
    own = champion.model.preparation
    parts = np.split(rows, range(ROWS_AT_ONCE, len(rows), ROWS_AT_ONCE))
    inputs = (inputs_for(champion.name, own, dataset, part) for part in parts)
    table = pd.concat([champion.model.predict_prepared(np.array(one)) for one in inputs], ignore_index=True)
    if own["task"] != "classification":
        return Answers(table, table.iloc[:, 0].to_numpy(dtype=np.float64))
    largest = table[[name for name in table.columns if name.startswith(PROBABILITY)]].max(axis=1)
    return Answers(table, largest.to_numpy(dtype=np.float64))
