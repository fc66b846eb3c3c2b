"""data/leakage, of a delivery: nothing in it is nearly an example that the model is to be judged by."""

import pandas as pd

from recipe.deliveries.fates import NEAR_TEST, Examined
from recipe.deliveries.reading import SPLIT_OF_DELIVERY
from recipe.evidence import Finding, at_most, practice
from recipe.statistics.intervals import wilson

COLUMNS = ["kind", "id_a", "path_a", "split_a", "id_b", "path_b", "split_b", "group", "column", "score", "distance"]


@practice("data/leakage")
def leakage(examined: Examined) -> Finding:
    """No delivered example is nearly equal to one of the validation or test split.

    Equal ones are in the data set already and stay in the split that they have.
    """
    near = examined.fates[examined.fates["kind"] == NEAR_TEST]
    count, total = len(near), examined.total
    summary = f"None of {total} examples is a near copy of a held-out one."
    if count:
        path = examined.dataset.manifest["path"].iat[near.index[0]]
        summary = f"{count} of {total} examples are near copies of held-out ones; the first, {path}: "
        summary += f"{near['reason'].iloc[0]}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="They are set aside, since a model that learnt them would look better than it is: ask the sender where "
        "they come from.",
        requirements=(
            at_most(count, "max_near", otherwise="warn"),
            at_most(count / total, "max_near_share"),
        ),
        table=_crossings(examined, near),
    )


def _crossings(examined: Examined, near: pd.DataFrame) -> pd.DataFrame:
    a = examined.dataset.manifest[["id", "path"]].iloc[near.index].reset_index(drop=True)
    b = examined.reference.manifest[["id", "path", "split"]].iloc[near["twin"]].reset_index(drop=True)
    table = pd.concat([a.add_suffix("_a"), b.add_suffix("_b")], axis=1)
    return table.assign(kind="near", split_a=SPLIT_OF_DELIVERY).reindex(columns=COLUMNS)
