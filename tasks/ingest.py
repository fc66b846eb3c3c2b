"""The first stage: reads the user's data, leaves out what cannot be used, splits the rest and prepares it once."""

import logging

from recipe.corrections.file import read_decisions
from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import load_dataset
from recipe.pipeline.stage import Stage, main
from recipe.report.spreadsheet import table_csv
from recipe.runtime.workspace import write_whole

QUARANTINE = "data.quarantine.csv"

logger = logging.getLogger("recipe.tasks.ingest")


def work(stage: Stage) -> None:
    """Prepare data/prepared, and list what was left out of it."""
    name = stage.settings.data.decisions
    decisions = read_decisions(stage.workspace / name, name)
    made = ingest(stage.workspace, stage.settings, home=stage.home, decisions=decisions)
    stage.counts |= {**made.splits, "quarantined": made.quarantined}
    for line in (made.taken, *made.notes):
        logger.warning("%s", line)
    quarantine = load_dataset(stage.workspace, stage.settings, whole=False).quarantine
    write_whole(stage.reports / "tables" / QUARANTINE, table_csv(quarantine[["id", "path", "reason"]]))


if __name__ == "__main__":
    main("ingest", work)
