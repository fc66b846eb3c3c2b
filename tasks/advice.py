"""What the error is made of, asked anew of a run that is done: no stage of the pipeline, but like squeeze."""

from dataclasses import replace

from recipe.deliveries.examination import examined_delivery
from recipe.error_budget.length import as_long_as_it_pays
from recipe.errors import DataError
from recipe.pipeline.loading import checked_experiment, with_test
from recipe.pipeline.stage import Stage, main
from recipe.practices.squeeze.error_budget import error_budget
from recipe.training.experiment import Experiment
from recipe.training.prepared import build_transform, resident_split


def work(stage: Stage) -> None:
    """Split the error of what tune chose, and say what is missed of a delivery where the settings name one."""
    experiment = as_long_as_it_pays(checked_experiment(stage, build_on="tune"))
    stage.run((error_budget,), with_delivery(with_test(experiment, stage), stage))


def with_delivery(experiment: Experiment, stage: Stage) -> Experiment:
    """The same with the new examples of the delivery that the settings name, where they name one.

    Raises:
        DataError: it cannot be read as this data set, or has no example with a label that is not there already.
    """
    if stage.settings.data.delivery is None:
        return experiment
    examined = examined_delivery(stage.workspace, stage.settings)
    if not len(examined.new_rows):
        counts = ", ".join(f"{count} {fate}" for fate, count in examined.counts.items())
        raise DataError(
            f"{examined.delivered.path.name} has no example that is new and rightly labelled ({counts}): "
            "`recipe check data data.delivery=...` says of each why."
        )
    transform = build_transform(examined.reference, stage.settings)
    return replace(experiment, delivery=resident_split(examined.dataset, examined.new_rows, transform))


if __name__ == "__main__":
    main("squeeze", work)
