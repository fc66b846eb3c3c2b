"""data/drift, of a delivery: its columns, classes and inputs are distributed as the data set's are."""

from recipe.dataset.labels import label_style
from recipe.dataset.splits import TRAIN
from recipe.deliveries.fates import NEW, Examined
from recipe.evidence import Finding, at_most, practice, skip
from recipe.inspection.drift import drift as measure_drift
from recipe.inspection.drift import sample_of
from recipe.inspection.drift_figure import draw_shifts, moved

NAMED = 3  # shifted columns that the summary tells of


@practice("data/drift")
def drift(examined: Examined) -> Finding:
    """Every column, the labels, and all inputs together are distributed in the delivery as in training."""
    if not len(examined.rows(NEW)):
        return skip("Nothing in the delivery is new.")
    settings, label = examined.dataset.settings.stages.data.drift, examined.dataset.settings.data.label
    reference = sample_of(examined.reference, examined.reference.where(TRAIN))
    style = label_style(examined.reference.manifest["label"])
    delivered = sample_of(examined.dataset, examined.rows(NEW), style)
    table = measure_drift(reference, delivered, settings, label)
    flagged = table[table["flagged"]]
    told = [f"{row['column']}: {row['detail']}" for _, row in flagged.head(NAMED).iterrows()]
    summary = f"{len(table)} distributions are as in training."
    if told:
        summary = f"{len(flagged)} of {len(table)} distributions have shifted. {' '.join(told)}"
    drawn = moved(reference, delivered, flagged, label, "delivery")
    figure = draw_shifts(drawn, "training", "What has shifted")
    return Finding(
        summary=summary,
        measured=float(table["score"].max()) if len(table) else 0.0,
        advice="Ask the sender what has changed. Where the change is real and is to be learnt, take it in with `recipe "
        "receive PATH --despite-drift`.",
        requirements=(at_most(len(flagged), "max_flagged"),),
        figures={"columns": figure} if figure else {},
        table=table,
    )
