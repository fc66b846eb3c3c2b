"""data/imbalance: how many examples each class has in each split."""

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.counted import counted
from recipe.dataset.splits import SPLITS, TRAIN
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict

MOST_BARS = 30  # classes that a figure has room for
NAMED = 3  # classes that are missing from a split
RARE = (
    "Collect more of the rare classes, weight the loss or sample them more often, and read per-class figures. A class "
    "is left out by its folder's name, data.ignore=[class]; without folders of classes, with its rows."
)


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
    missing = table[table["count"] == 0]
    by_time = dataset.time_column is not None
    unlearnt = missing[missing["split"] == TRAIN] if by_time else missing
    summary = _sizes_in_words(classes, whole)
    if len(missing):
        summary += _missing_in_words(missing)
        summary += ", as a split by time has it where a class comes or goes." if by_time else "."
    return Finding(
        summary=summary,
        measured=ratio,
        advice=RARE + (_advice_on_missing(missing, unlearnt) if len(missing) else ""),
        requirements=(
            at_most(ratio, "max_ratio", otherwise="warn"),
            at_most(float(table["ratio"].max()), "max_ratio", otherwise="warn"),
            at_most(unlearnt["class"].nunique(), "max_missing"),
            *([at_most(missing["class"].nunique(), "max_missing", otherwise="warn")] if by_time else []),
        ),
        figures={"classes": _figure(counts, classes, whole)},
        table=table,
    )


def _of_split(split: str, counts: np.ndarray, classes: list[str]) -> pd.DataFrame:
    ratio = np.divide(counts.max(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return pd.DataFrame({"split": split, "class": classes, "count": counts, "ratio": ratio})


def _sizes_in_words(classes: list[str], counts: np.ndarray) -> str:
    """How the largest class compares with the smallest."""
    least, most = int(counts.min()), int(counts.max())
    if least == most:
        return f"All {len(classes)} classes have {counted(most, 'example')}."
    rarest, commonest = classes[int(counts.argmin())], classes[int(counts.argmax())]
    times = f"{most / max(least, 1):.3g}"
    more = "hardly more examples than" if times == "1" else f"{times} times the examples of"
    return f"The largest class, '{commonest}' ({most}), has {more} the smallest, '{rarest}' ({least})."


def _missing_in_words(missing: pd.DataFrame) -> str:
    """Each class that is missing somewhere, with where."""
    splits = missing.groupby("class", sort=False)["split"].agg(" and ".join)
    named = [f"'{name}' from {where}" for name, where in splits.head(NAMED).items()]
    more = ", ..." if len(splits) > NAMED else ""
    are = f"{counted(len(splits), 'class is', 'classes are')} missing from a split"
    return f" {are}: {', '.join(named)}{more}"


def _advice_on_missing(missing: pd.DataFrame, unlearnt: pd.DataFrame) -> str:
    """What may be done about classes that a split lacks."""
    allowed = (unlearnt if len(unlearnt) else missing)["class"].nunique()
    return (
        " A class missing from a split cannot be learnt or judged there: leave it out, or let it be with "
        f"thresholds.data.imbalance.max_missing={allowed}."
    )


def _figure(counts: dict[str, np.ndarray], classes: list[str], whole: np.ndarray) -> object:
    """The share of each class in each split; where there are many, the rarest."""
    shown = np.sort(np.argsort(whole, kind="stable")[:MOST_BARS])
    shares = {split: count[shown] / max(count.sum(), 1) for split, count in counts.items()}
    names = [classes[place] for place in shown]
    title = "Classes in each split" if len(shown) == len(classes) else f"The {len(shown)} rarest classes"
    return drawing.bars(names, shares, y_label="share of the split", x_label="class", title=title)
