"""data/duplicates, of a delivery: what is in the data set already, and what contradicts it."""

import pandas as pd

from recipe.deliveries.fates import CONFLICT, KNOWN, Examined
from recipe.evidence import Finding, at_most, practice
from recipe.statistics.intervals import wilson


@practice("data/duplicates")
def duplicates(examined: Examined) -> Finding:
    """What is delivered is new, and nothing known comes under another label.

    Content that is in already is not taken twice; what is known under another label is set aside, whichever is right.
    """
    fates, total = examined.fates, examined.total
    known, conflicts = int((fates["fate"] == KNOWN).sum()), int((fates["kind"] == CONFLICT).sum())
    summary = f"{known} of {total} examples are in the data set already, or came twice: they are not taken again"
    summary += f"; {conflicts} contradict the label that they have there or in the delivery." if conflicts else "."
    return Finding(
        summary=summary if known or conflicts else f"None of {total} examples is in the data set already.",
        measured=known / total,
        interval=wilson(known, total),
        advice="Decide which label is right where there are two, and ask the sender why known examples came again.",
        requirements=(
            at_most(conflicts, "max_conflicts", otherwise="warn"),
            at_most(conflicts / total, "max_conflict_share"),
        ),
        table=_pairs(examined),
    )


def _pairs(examined: Examined) -> pd.DataFrame:
    """Each delivered example (a) that has a twin (b) in the data set or earlier in the delivery."""
    rows = examined.fates[(examined.fates["fate"] == KNOWN) | (examined.fates["kind"] == CONFLICT)]
    rows = rows[rows["twin"] >= 0]
    columns = ["id", "path", "label", "content_id", "bytes_id"]
    both = pd.concat([examined.reference.manifest, examined.dataset.manifest], ignore_index=True)[columns]
    a = examined.dataset.manifest[columns].iloc[rows.index].reset_index(drop=True)
    b = both.iloc[rows["twin"]].reset_index(drop=True)
    kind = pd.Series("but_id", index=a.index).mask(a["content_id"] == b["content_id"], "content")
    return pd.DataFrame(
        {
            "id_a": a["id"],
            "path_a": a["path"],
            "id_b": b["id"],
            "path_b": b["path"],
            "label_a": a["label"],
            "label_b": b["label"],
            "conflict": a["label"].astype("str") != b["label"].astype("str"),
            "kind": kind.mask(a["bytes_id"] == b["bytes_id"], "bytes"),
        }
    )
