"""A delivery of new data, examined beside the data set that it is to join: no stage of the pipeline, but like one."""

from pathlib import Path

from recipe.dataset.stored import load_dataset
from recipe.deliveries.fates import Examined, examine, write_fates
from recipe.deliveries.reading import read_delivery
from recipe.evidence import Finding, Practice
from recipe.pipeline.stage import Stage, main
from recipe.practices.data.distributions import distributions
from recipe.practices.delivery.blank import blank
from recipe.practices.delivery.corrupt_labels import corrupt_labels
from recipe.practices.delivery.drift import drift
from recipe.practices.delivery.duplicates import duplicates
from recipe.practices.delivery.expectations import expectations
from recipe.practices.delivery.label_noise import label_noise
from recipe.practices.delivery.leakage import leakage
from recipe.practices.delivery.unreadable import unreadable
from recipe.report.spreadsheet import table_csv
from recipe.runtime.workspace import write_whole

QUARANTINE = "data.quarantine.csv"


def of_itself(practice: Practice) -> Practice:
    """A practice of the data stage, asked of what is delivered alone."""

    def measure(examined: Examined) -> Finding:
        return practice.measure(examined.dataset)

    return Practice(practice.id, practice.hypothesis, measure)


PRACTICES = (
    of_itself(distributions),
    unreadable,
    blank,
    corrupt_labels,
    duplicates,
    leakage,
    label_noise,
    drift,
    expectations,
)


def work(stage: Stage) -> None:
    """Examine the delivery that the settings name, and write what becomes of each of its examples."""
    reference = load_dataset(stage.workspace, stage.settings)
    path = Path(stage.settings.data.delivery or "")
    delivered = read_delivery(path, reference, stage.settings, stage.workspace / "data" / "delivery")
    examined = examine(delivered)
    stage.run(PRACTICES, examined)
    stage.counts |= {fate: float(count) for fate, count in examined.counts.items()}
    listed = examined.set_aside[["id", "path", "reason", "label"]]
    write_whole(stage.reports / "tables" / QUARANTINE, table_csv(listed))
    write_fates(stage.reports, examined)


if __name__ == "__main__":
    main("data", work)
