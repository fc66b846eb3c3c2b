"""data/imbalance: how many examples each class has in each split."""

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.splits import SPLITS, TRAIN
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict

MOST_BARS = 30  # classes that a figure has room for


class Settings(Strict):
    flag_ratio: float = Field(ge=1)


class Limits(Strict):
    max_ratio: float = Field(ge=1)
    max_missing: float = Field(ge=0)


@practice("data/imbalance")
def imbalance(dataset: Dataset) -> Finding:
    """Every class is in every split, and none is so rare that a net can do well without it.

    A class's ratio is that of the split's largest class to it; the measured one is taken over the whole set. Of a split
    by time a class may have gone before the test, which is told; one that only comes after training cannot be learnt.
    """
    classes = dataset.preparation["classes"]
    if classes is None:
        return skip("The label is a number, so there are no classes to count.")
    counts = {split: np.bincount(dataset.targets[dataset.where(split)], minlength=len(classes)) for split in SPLITS}
    table = pd.concat([_of_split(split, counts[split], classes) for split in SPLITS], ignore_index=True)
    limit = dataset.settings.stages.data.imbalance.flag_ratio
    table["flagged"] = (table["count"] == 0) | (table["ratio"] > limit)
    table = table.sort_values(["flagged", "count"], ascending=[False, True], kind="stable", ignore_index=True)

    whole = np.sum(list(counts.values()), axis=0)
    ratio = float(whole.max() / max(whole.min(), 1))
    rarest, commonest = classes[int(whole.argmin())], classes[int(whole.argmax())]
    missing = table[table["count"] == 0]
    by_time = dataset.time_column is not None
    unlearnt = missing[missing["split"] == TRAIN] if by_time else missing
    summary = (
        f"The largest class, '{commonest}' ({whole.max()}), has {ratio:.3g} times the examples of the smallest, "
        f"'{rarest}' ({whole.min()})."
    )
    if len(missing):
        summary += f" {len(missing)} are missing from a split: {_named(missing)}"
        summary += ", as a split by time has it where a class comes or goes." if by_time else "."
    return Finding(
        summary=summary,
        measured=ratio,
        advice="Collect more of the rare classes, weight the loss or sample them more often, and read per-class "
        "figures; a class missing from a split cannot be learnt or judged there.",
        requirements=(
            at_most(ratio, "max_ratio", otherwise="warn"),
            at_most(float(table["ratio"].max()), "max_ratio", otherwise="warn"),
            at_most(len(unlearnt), "max_missing"),
            *([at_most(len(missing), "max_missing", otherwise="warn")] if by_time else []),
        ),
        figures={"classes": _figure(counts, classes, whole)},
        table=table,
    )


def _of_split(split: str, counts: np.ndarray, classes: list[str]) -> pd.DataFrame:
    ratio = np.divide(counts.max(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return pd.DataFrame({"split": split, "class": classes, "count": counts, "ratio": ratio})


def _named(missing: pd.DataFrame) -> str:
    named = [f"'{row['class']}' from {row['split']}" for _, row in missing.head(3).iterrows()]
    return ", ".join(named) + (", ..." if len(missing) > 3 else "")


def _figure(counts: dict[str, np.ndarray], classes: list[str], whole: np.ndarray) -> object:
    """The share of each class in each split; where there are many, the rarest."""
    shown = np.sort(np.argsort(whole, kind="stable")[:MOST_BARS])
    shares = {split: count[shown] / max(count.sum(), 1) for split, count in counts.items()}
    names = [classes[place] for place in shown]
    title = "Classes in each split" if len(shown) == len(classes) else f"The {len(shown)} rarest classes"
    return drawing.bars(names, shares, y_label="share of the split", x_label="class", title=title)
