"""data/drift, of a delivery: its columns, classes and inputs are distributed as the data set's are."""

from recipe.dataset.splits import TRAIN
from recipe.deliveries.fates import NEW, Examined
from recipe.evidence import Finding, at_most, practice, skip
from recipe.inspection.drift import drift as measure_drift
from recipe.inspection.drift import sample_of

NAMED = 3  # shifted columns that the summary tells of


@practice("data/drift")
def drift(examined: Examined) -> Finding:
    """Every column, the labels, and all inputs together are distributed in the delivery as in training."""
    if not len(examined.rows(NEW)):
        return skip("Nothing in the delivery is new.")
    reference, settings = examined.reference, examined.dataset.settings
    table = measure_drift(
        sample_of(reference, reference.where(TRAIN)),
        sample_of(examined.dataset, examined.rows(NEW)),
        settings.stages.data.drift,
        label=settings.data.label,
    )
    flagged = table[table["flagged"]]
    told = [f"{row['column']}: {row['detail']}" for _, row in flagged.head(NAMED).iterrows()]
    summary = f"{len(table)} distributions are as in training."
    if told:
        summary = f"{len(flagged)} of {len(table)} distributions have shifted. {' '.join(told)}"
    return Finding(
        summary=summary,
        measured=float(table["score"].max()) if len(table) else 0.0,
        advice="Ask the sender what has changed. Where the change is real and is to be learnt, take it in with `recipe "
        "receive PATH --despite-drift`.",
        requirements=(at_most(len(flagged), "max_flagged"),),
        table=table,
    )
