"""data/blank: examples that decode but hold nothing."""

import pandas as pd

from recipe import drawing
from recipe.dataset.stored import Dataset
from recipe.evidence import Finding, at_most, practice
from recipe.inspection.blankness import blank_images, blank_rows
from recipe.inspection.columns import features
from recipe.statistics.intervals import wilson

SHOWN = 16  # images in the gallery


@practice("data/blank")
def blank(dataset: Dataset) -> Finding:
    """Every example holds something: no image is one colour, noise or half there, no row is empty."""
    settings = dataset.settings.stages.data.blank
    rows = features(dataset)
    found = blank_images(dataset.inputs, settings) if rows is None else blank_rows(rows, settings)
    found = found.sort_values("score", ascending=False, kind="stable")
    places = found["row"].to_numpy()
    known = dataset.manifest[["id", "path"]].iloc[places].reset_index(drop=True)
    table = pd.concat([known, found[["reason", "score"]].reset_index(drop=True)], axis=1)
    count, total = len(table), len(dataset.manifest)
    if count:
        summary = f"{count} of {total} examples hold nothing; the first is {table['path'].iloc[0]}: "
        summary += f"{table['reason'].iloc[0]}."
    else:
        summary = f"All {total} examples hold something."
    figures = {}
    if count and rows is None:
        shown = dataset.inputs[places[:SHOWN]]
        figures["blank"] = drawing.gallery(shown, list(table["reason"][:SHOWN]), title="Examples that hold nothing")
    return Finding(
        summary=summary,
        measured=count / total,
        interval=wilson(count, total),
        advice="Look at what the table lists and delete what is no example; a net learns to guess on it.",
        requirements=(
            at_most(count, "max_examples", otherwise="warn"),
            at_most(count / total, "max_share"),
        ),
        figures=figures,
        table=table,
    )
