"""Stage 1: become one with the data. Reads what ingest prepared; every practice runs even when an earlier one fails."""

from recipe.browsing.surveyed import Surveyed
from recipe.dataset.stored import Dataset, load_dataset
from recipe.inspection.label_noise import label_noise_of
from recipe.pipeline.stage import Stage, main
from recipe.practices.data.blank import blank
from recipe.practices.data.browse import browse
from recipe.practices.data.corrupt_labels import corrupt_labels
from recipe.practices.data.distributions import distributions
from recipe.practices.data.drift import drift
from recipe.practices.data.duplicates import duplicates
from recipe.practices.data.expectations import expectations
from recipe.practices.data.imbalance import imbalance
from recipe.practices.data.label_noise import label_noise
from recipe.practices.data.leakage import leakage
from recipe.practices.data.position import position
from recipe.practices.data.resolution import resolution
from recipe.practices.data.unreadable import unreadable
from recipe.practices.data.variation import variation

PRACTICES = (
    distributions,
    unreadable,
    blank,
    corrupt_labels,
    label_noise,
    duplicates,
    leakage,
    imbalance,
    variation,
    resolution,
    position,
    drift,
    expectations,
    browse,  # last, for it shows what the others have found
)


def work(stage: Stage) -> None:
    """Examine the prepared data set."""

    def surveyed(dataset: Dataset) -> Surveyed:
        asked = any(finding.practice == label_noise.id for finding in stage.findings)
        noise = label_noise_of(dataset) if asked else None
        return Surveyed(dataset, tuple(stage.findings), noise.probabilities if noise else None)

    stage.run(PRACTICES, load_dataset(stage.workspace, stage.settings), subjects={browse.id: surveyed})


if __name__ == "__main__":
    main("data", work)
