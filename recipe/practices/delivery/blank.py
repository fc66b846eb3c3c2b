"""data/blank, of a delivery: what decodes but holds nothing is set aside."""

from recipe.deliveries.fates import BLANK, Examined
from recipe.evidence import Finding, at_most, practice
from recipe.statistics.intervals import wilson


@practice("data/blank")
def blank(examined: Examined) -> Finding:
    """Every delivered example holds something: no image is one colour, noise or half there, no row is empty."""
    refused = examined.set_aside
    table = refused[refused["kind"] == BLANK][["id", "path", "reason"]].assign(score=1.0)
    count, total = len(table), examined.total
    summary = f"All {total} examples hold something."
    if count:
        first = table.iloc[0]
        summary = f"{count} of {total} examples hold nothing; the first is {first['path']}: {first['reason']}."
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Ask the sender for what the table lists; it is set aside.",
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(count / total, "max_share"),
        ),
        table=table,
    )
