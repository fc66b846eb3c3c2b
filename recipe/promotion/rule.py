"""Whether a challenger replaces the champion: both on the same test examples, under a rule that is a setting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recipe import drawing
from recipe.errors import DataError
from recipe.settings.retrain import Rule
from recipe.statistics.mcnemar import Counts, Floats
from recipe.statistics.metrics import METRICS, Metric
from recipe.statistics.multiple_testing import holm
from recipe.statistics.paired import chance, intervals, power, power_of_clusters, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("part", "examples", "challenger", "champion", "difference", "low", "high", "p_value", "worse")
PARTS_DRAWN = 30  # as many as a figure has room for


@dataclass(frozen=True)
class Contest:
    """Both models on the same test examples, which neither was trained on.

    `challenger` and `champion` (N,) are what each example adds to `metric`, the greater the better. `parts` are masks
    (N,) by name, of classes and slices, which may overlap; `of_parts` what they are compared by where the metric has no
    value within a class: which examples each of the two gets right. `groups` (N,) number the clusters that examples
    come in, groups or copies; None where each is one alone. Sizes are in bytes, seconds those of one example; 0 where
    they are not known.

    Raises:
        DataError: the scores or masks are not of the same examples, or those of what is counted are not 0 and 1.
    """

    challenger: Floats
    champion: Floats
    metric: Metric
    parts: Mapping[str, NDArray[np.bool_]]
    challenger_size: int = 0
    champion_size: int = 0
    challenger_seconds: float = 0.0
    champion_seconds: float = 0.0
    groups: Counts | None = None
    of_parts: tuple[Floats, Floats] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.challenger), len(self.champion), *(len(mask) for mask in self.parts.values())}
        if self.groups is not None:
            lengths.add(len(self.groups))
        if len(lengths) > 1:
            raise DataError(
                f"The challenger has {len(self.challenger)} scores, the champion {len(self.champion)}: compare both, "
                "and every part, on the same examples."
            )
        if self.metric.scored == "counted":
            both = np.concatenate([self.challenger, self.champion])
            if not np.isin(both[np.isfinite(both)], (0, 1)).all():
                raise DataError("The scores of what is counted are 1 for right and 0 for wrong: give nothing between.")


@dataclass(frozen=True)
class Decision:
    """What becomes of a challenger, and why.

    `difference` is by how much the challenger's metric is better than the champion's; `interval` has its ends at the
    rule's `alpha` each, so that the lower one decides. `p_value` is that of the hypothesis that the rule must refute.
    `error_rate` is the share, at most, of the challengers to be kept out that get in: those no better than the
    champion, or under not_worse those worse by `margin` or more. `power` is the chance of one that is better by
    `worthwhile`.
    `disagreement` is the share of examples that only one gets right; of amounts the standard deviation of the
    differences. `slowdown` and `growth` are the challenger's seconds and bytes over the champion's; not a number where
    one is not known.

    `parts` has a row for each class and slice, the worst first: part, examples, challenger, champion, difference, low,
    high (of all parts together), p_value (one-sided, of being worse; not a number where there are too few examples),
    worse.
    """

    promote: bool
    reason: str
    metric: str
    examples: int
    error_rate: float
    slowdown: float
    growth: float
    challenger: float = math.nan
    champion: float = math.nan
    difference: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    p_value: float = 1.0
    power: float = 0.0
    disagreement: float = math.nan
    parts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))


def decide(contest: Contest, rule: Rule) -> Decision:
    """Promote the challenger where the rule is met on all examples, and no part, speed or size speaks against it.

    Where nothing can be measured (no examples, or scores that are not numbers) the champion stays.
    """
    groups, metric, unfit = contest.groups, contest.metric, _unfit(contest)
    scored = metric.scored
    decision = Decision(
        promote=False,
        reason=f"The rule keeps the champion: {unfit}.",
        metric=metric.title,
        examples=len(contest.challenger),
        error_rate=rule.alpha,
        slowdown=_ratio(contest.challenger_seconds, contest.champion_seconds),
        growth=_ratio(contest.challenger_size, contest.champion_size),
    )
    if unfit:
        return decision
    challenger, champion = np.asarray(contest.challenger, dtype=float), np.asarray(contest.champion, dtype=float)
    differences, than = challenger - champion, 0.0 if rule.require == "better" else -rule.margin
    disagreement = spread(differences, scored)
    decision = replace(
        decision,
        challenger=metric.of(challenger),
        champion=metric.of(champion),
        difference=float(differences.mean()),
        interval=intervals([differences], scored, rule.alpha, None if groups is None else [groups])[0],
        p_value=chance(differences, scored, than, groups),
        power=power(len(differences), scored, disagreement, rule.worthwhile, rule.alpha, than)
        if groups is None
        else power_of_clusters(differences, groups, rule.worthwhile, rule.alpha, than),
        disagreement=disagreement,
        parts=_compared(contest, rule),
    )
    objections = _objections(decision, rule)
    return replace(decision, promote=not objections, reason=_reason(decision, objections, rule, metric))


def draw(decision: Decision, rule: Rule) -> Figure:
    """The difference on all examples and on each part that was tested, the worst first, with intervals.

    The intervals of the parts hold together, so each is wider than its own would be. A line shows what the challenger
    is to be above.
    """
    tested = decision.parts[decision.parts["p_value"].notna()].head(PARTS_DRAWN)
    rows = {"all examples": (decision.difference, *decision.interval)}
    rows |= {row["part"]: (row["difference"], row["low"], row["high"]) for _, row in tested.iterrows()}
    known = {name: row for name, row in rows.items() if np.isfinite(row).all()}
    title = "The rule promotes the challenger" if decision.promote else "The rule keeps the champion"
    lines = {"no difference": 0.0} | ({"margin": -rule.margin} if rule.require == "not_worse" else {})
    return drawing.intervals(known, f"challenger over champion, {decision.metric}", title, lines)


def worn(readings: int, limit: int) -> str:
    """The warning that a test set has been read more than `limit` times; empty where it has not.

    The best of k metrics that are equal but for chance lies about sqrt(2 ln k) standard errors above the truth. Such a
    champion is the harder to beat: what suffers is the power, not the error rate (docs/when-is-a-model-promoted.md).
    """
    if readings <= limit:
        return ""
    optimism = math.sqrt(2 * math.log(readings))
    return (
        f"The test set has been read {readings} times, more than {limit}: the champion's figure on it may be too good "
        f"by up to {optimism:.1f} standard errors, which keeps better challengers out, so add new test examples."
    )


def _objections(decision: Decision, rule: Rule) -> list[str]:
    """What speaks against the challenger, a clause each."""
    found = []
    if not decision.disagreement and not decision.difference:
        found.append("the two do not differ on any of them")
    elif decision.p_value > rule.alpha:
        found.append("it is not better beyond chance" if rule.require == "better" else "it may be worse by the margin")
    found += [
        f"{row['part']} is worse beyond chance ({row['challenger']:.4f} against {row['champion']:.4f} on "
        f"{row['examples']}, p = {row['p_value']:.2g})"
        for _, row in decision.parts[decision.parts["worse"]].iterrows()
    ]
    if rule.max_slowdown is not None and decision.slowdown > rule.max_slowdown:
        found.append(f"it takes {decision.slowdown:.2f} times as long, more than {rule.max_slowdown:g}")
    if rule.max_growth is not None and decision.growth > rule.max_growth:
        found.append(f"it is {decision.growth:.2f} times as large, more than {rule.max_growth:g}")
    return found


def _reason(decision: Decision, objections: list[str], rule: Rule, metric: Metric) -> str:
    """The decision in one sentence: what was measured, against which rule, and what spoke against the challenger."""
    low, high = decision.interval
    asked = "better" if rule.require == "better" else f"worse by less than {rule.margin:g}"
    beyond = "lower by " if metric.is_error else ""
    measured = (
        f"{decision.metric} {decision.challenger:.4f} against the champion's {decision.champion:.4f} on "
        f"{decision.examples} test examples, {beyond}{decision.difference:+.4f} [{low:+.4f}, {high:+.4f}], p = "
        f"{decision.p_value:.2g} where being {asked} needs {rule.alpha:g}"
    )
    if not objections:
        return f"The rule promotes it: {measured}, and no part is worse beyond chance."
    chance = f"one better by {rule.worthwhile:g} would get in with a chance of {decision.power:.2f}"
    return f"The rule keeps the champion: {measured}; {'; '.join(objections)}; {chance}."


def _unfit(contest: Contest) -> str:
    """Why nothing can be measured; empty where it can."""
    count = len(contest.challenger)
    if not count:
        return "no test example is left that neither model was trained on, so nothing can be compared"
    for whose, scores in (("challenger", contest.challenger), ("champion", contest.champion)):
        if broken := count - int(np.isfinite(scores).sum()):
            return f"the {whose}'s scores on {broken} of {count} test examples are no numbers: see what it predicts"
    return ""


def _compared(contest: Contest, rule: Rule) -> pd.DataFrame:
    """A row for each part, the worst first, those without an example left out: see `Decision.parts`.

    A part with fewer than `rule.least_examples` is not tested. The chance that `worse` is wrong for any part is at most
    `rule.alpha`, however they overlap; so is that for all lower, and all upper, ends.
    """
    masks = {name: mask for name, mask in contest.parts.items() if mask.any()}
    metric = contest.metric if contest.of_parts is None else METRICS["accuracy"]
    challenger, champion = (
        [np.asarray(scores[mask], dtype=float) for mask in masks.values()]
        for scores in (contest.of_parts or (contest.challenger, contest.champion))
    )
    differences = [ours - theirs for ours, theirs in zip(challenger, champion, strict=True)]
    tested = [len(one) >= rule.least_examples for one in differences]
    clusters = None if contest.groups is None else [contest.groups[mask] for mask in masks.values()]
    level = rule.alpha / max(sum(tested), 1)  # Bonferroni's, for a look at all at once
    ends = intervals(differences, metric.scored, level, clusters)
    p_values = [
        chance(-one, metric.scored, groups=clusters[place] if clusters else None) if tested[place] else math.nan
        for place, one in enumerate(differences)
    ]
    table = pd.DataFrame(
        {
            "part": list(masks),
            "examples": [len(one) for one in differences],
            "challenger": [metric.of(one) for one in challenger],
            "champion": [metric.of(one) for one in champion],
            "difference": [float(one.mean()) for one in differences],
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
            "p_value": p_values,
        }
    ).sort_values("p_value", kind="stable", ignore_index=True)
    return table.assign(worse=holm(table["p_value"].to_numpy(dtype=float), rule.alpha))


def _ratio(challenger: float, champion: float) -> float:
    return challenger / champion if challenger > 0 and champion > 0 else math.nan
