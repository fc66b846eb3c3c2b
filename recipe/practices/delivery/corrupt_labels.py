"""data/corrupt_labels, of a delivery: labels that the data set does not know."""

from recipe.deliveries.fates import Examined
from recipe.evidence import Finding, at_most, practice
from recipe.settings import nearest
from recipe.statistics.intervals import wilson


@practice("data/corrupt_labels")
def corrupt_labels(examined: Examined) -> Finding:
    """Every delivered example has a label, and it is one of the data set's, written as there."""
    refused = examined.set_aside[examined.set_aside["kind"] == "label"]
    classes = [str(name) for name in examined.reference.preparation["classes"] or ()]
    suggested = [_nearest_name(str(label), classes) for label in refused["label"]]
    table = refused[["id", "path", "label", "reason"]].assign(suggested=suggested)
    count, total = len(table), examined.total
    summary = f"All {total} labels are known."
    if count:
        first = table.iloc[0]
        summary = f"{count} of {total} labels cannot be used; the first, of {first['path']}: {first['reason']}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Ask the sender to write each listed label as the class that was meant; add a class that is new to the "
        "data set by hand, since the model must learn it from several examples.",
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(count / total, "max_share"),
        ),
        table=table,
    )


def _nearest_name(label: str, classes: list[str]) -> str:
    """The class most like `label`; empty where none is."""
    return nearest(label, classes).partition("'")[2].partition("'")[0]
