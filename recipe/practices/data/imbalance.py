"""data/imbalance: how many examples each class has in each split, and what it costs a rare one."""

import numpy as np
import pandas as pd
from pydantic import Field

from recipe import drawing
from recipe.dataset.counted import counted
from recipe.dataset.splits import SPLITS, TRAIN
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice, skip
from recipe.inspection.class_recall import ClassRecall, class_recall
from recipe.inspection.class_sizes import effective_classes, effective_examples, rare_classes, usual_beside
from recipe.settings.strict import Strict
from recipe.statistics.intervals import wilson

MOST_BARS = 30  # classes that a figure has room for
NAMED = 3  # classes that are missing from a split, or rare
FEWEST_IN_TAIL = 5  # classes from which on their sizes can be said to fall off
RARE = (
    "Collect more of the rare classes, weight the loss or sample them more often, and read per-class figures. A class "
    "is left out by its folder's name, data.ignore=[class]; without folders of classes, with its rows."
)


class Settings(Strict):
    flag_ratio: float = Field(ge=1)
    rare_ratio: float = Field(gt=1)
    alpha: float = Field(gt=0, lt=1)


class Limits(Strict):
    max_ratio: float = Field(ge=1)
    max_rare: int = Field(ge=0)
    max_missing: float = Field(ge=0)


@practice("data/imbalance")
def imbalance(dataset: Dataset) -> Finding:
    """Every class is in every split, and none is so rare that a net can do well without it.

    A class's ratio is that of the split's largest class to it; the measured one is taken over the whole set. Rare is
    also a class that is far smaller than the others beyond chance, however small the ratio, in the whole or in a split.
    What that costs is the recall of a cheap classifier, out of fold, with Wilson's interval at 95 %, and how much fewer
    examples the class is worth (`effective`, Cui et al. 2019). Of a split by time a class may have gone before the
    test, which is told; one that only comes after training cannot be learnt.
    """
    classes = dataset.preparation["classes"]
    if classes is None:
        return skip("The label is a number, so there are no classes to count.")
    settings: Settings = dataset.settings.stages.data.imbalance
    counts = {split: np.bincount(dataset.targets[dataset.where(split)], minlength=len(classes)) for split in SPLITS}
    whole = np.sum(list(counts.values()), axis=0)
    rare = rare_classes(whole, settings.rare_ratio, settings.alpha)
    table = pd.concat([_of_split(split, counts[split], classes, rare, settings) for split in SPLITS], ignore_index=True)
    probed = class_recall(dataset)
    table = table.join(_recall(dataset, probed, classes), on=["split", "class"])
    table = table.sort_values(["flagged", "count"], ascending=[False, True], kind="stable", ignore_index=True)

    ratio = float(whole.max() / max(whole.min(), 1))
    missing = table[table["count"] == 0]
    named = table.loc[table.pop("rare"), "class"].unique()
    by_time = dataset.time_column is not None
    unlearnt = missing[missing["split"] == TRAIN] if by_time else missing
    summary = _sizes_in_words(classes, whole)
    if rare.any():
        summary += _rare_in_words(dataset, classes, whole, rare, probed)
    elif len(named):
        summary += f" In one of the splits alone {', '.join(repr(name) for name in named[:NAMED])} is rare."
    elif ratio > settings.flag_ratio:
        summary += _tail_in_words(whole, settings.alpha)
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
            at_most(len(named), "max_rare", otherwise="warn"),
            at_most(unlearnt["class"].nunique(), "max_missing"),
            *([at_most(missing["class"].nunique(), "max_missing", otherwise="warn")] if by_time else []),
        ),
        figures={"classes": _figure(counts, classes, whole)},
        table=table,
    )


def _of_split(split: str, counts: np.ndarray, classes: list[str], rare: np.ndarray, settings: Settings) -> pd.DataFrame:
    """Each class of a split; `rare` in the whole are such in every split that has any of them."""
    ratio = np.divide(counts.max(), counts, out=np.full(len(counts), np.nan), where=counts > 0)
    rare = (rare & (counts > 0)) | rare_classes(counts, settings.rare_ratio, settings.alpha / len(SPLITS))
    flagged = (counts == 0) | (ratio > settings.flag_ratio) | rare
    columns = {"count": counts, "ratio": ratio, "flagged": flagged, "effective": effective_examples(counts)}
    return pd.DataFrame({"split": split, "class": classes, "rare": rare} | columns)


def _recall(dataset: Dataset, probed: ClassRecall, classes: list[str]) -> pd.DataFrame:
    """Of each split and class that the probe was asked about: its recall, and the ends of the interval."""
    asked = pd.DataFrame(
        {
            "split": dataset.manifest["split"].to_numpy()[probed.rows],
            "class": np.array(classes, dtype=object)[dataset.targets[probed.rows]],
            "found": probed.found,
        }
    )
    sums = asked.groupby(["split", "class"])["found"].agg(["sum", "count"])
    found = [(hits / count, *wilson(hits, count)) for hits, count in sums.to_numpy()]
    return pd.DataFrame(found, index=sums.index, columns=["recall", "recall_low", "recall_high"], dtype=float)


def _tail_in_words(counts: np.ndarray, alpha: float) -> str:
    """That classes uneven beyond chance, of which none stands apart, are a long tail; of a few nothing can be said."""
    from scipy.stats import chisquare

    if np.count_nonzero(counts) < FEWEST_IN_TAIL or chisquare(counts).pvalue >= alpha:
        return ""
    return (
        " The sizes fall off as a long tail does, with none apart from the rest: to guess a class is as hard as among "
        f"{effective_classes(counts):.3g} classes of one size."
    )


def _rare_in_words(
    dataset: Dataset, classes: list[str], whole: np.ndarray, rare: np.ndarray, probed: ClassRecall
) -> str:
    """Each class that stands apart, the rarest first, with what the others have and what that costs."""
    usual, _ = usual_beside(whole)
    places = [place for place in np.argsort(whole, kind="stable") if rare[place]]
    told = [
        f" '{classes[place]}' is rare: {counted(int(whole[place]), 'example')} where another class has "
        f"{usual[place]:,.0f} as a rule, further apart than chance makes them{_cost_in_words(dataset, place, probed)}."
        for place in places[:NAMED]
    ]
    left = len(places) - len(told)
    return "".join(told) + (f" So {'is' if left == 1 else 'are'} {counted(left, 'more', 'more')}." if left else "")


def _cost_in_words(dataset: Dataset, place: int, probed: ClassRecall) -> str:
    """How many of a class a cheap classifier finds, and how many where every class weighs alike."""
    own = dataset.targets[probed.rows] == place
    count = int(own.sum())
    if not count:
        return ""
    low, high = wilson(int(probed.found[own].sum()), count)
    return (
        f"; a linear classifier finds {probed.found[own].mean():.0%} of them [{low:.0%}, {high:.0%}], and "
        f"{probed.found_evenly[own].mean():.0%} where every class weighs alike"
    )


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
