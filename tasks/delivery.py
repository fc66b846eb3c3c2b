"""A delivery of new data, examined beside the data set that it is to join: no stage of the pipeline, but like one."""

from recipe.deliveries.examination import Examined, examined_delivery, write_fates
from recipe.evidence import Finding, Practice
from recipe.pipeline.stage import Stage, main
from recipe.practices.data.blank import blank_of_delivery
from recipe.practices.data.corrupt_labels import corrupt_labels_of_delivery
from recipe.practices.data.distributions import distributions
from recipe.practices.data.drift import drift_of_delivery
from recipe.practices.data.duplicates import duplicates_of_delivery
from recipe.practices.data.expectations import expectations_of_delivery
from recipe.practices.data.label_noise import label_noise_of_delivery
from recipe.practices.data.leakage import leakage_of_delivery
from recipe.practices.data.unreadable import unreadable_of_delivery
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
    unreadable_of_delivery,
    blank_of_delivery,
    corrupt_labels_of_delivery,
    duplicates_of_delivery,
    leakage_of_delivery,
    label_noise_of_delivery,
    drift_of_delivery,
    expectations_of_delivery,
)


def work(stage: Stage) -> None:
    """Examine the delivery that the settings name, and write what becomes of each of its examples."""
    examined = examined_delivery(stage.workspace, stage.settings)
    stage.run(PRACTICES, examined)
    stage.counts |= {fate: float(count) for fate, count in examined.counts.items()}
    listed = examined.set_aside[["id", "path", "reason", "label"]]
    write_whole(stage.reports / "tables" / QUARANTINE, table_csv(listed))
    write_fates(stage.reports, examined)


if __name__ == "__main__":
    main("data", work)
