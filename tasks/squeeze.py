"""Stage 6: squeeze out the rest, read the test set once, and export the model that is registered."""

from collections.abc import Mapping, Sequence

from recipe.evidence import Finding
from recipe.inference.final_model import export_final
from recipe.pipeline.loading import load_experiment, with_test
from recipe.pipeline.stage import Stage, main
from recipe.practices.squeeze.calibration import calibration
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.final_test import final_test
from recipe.runtime.workspace import write_json
from recipe.training.evaluation import metric_name

PRACTICES = (ensemble, calibration, final_test)


def work(stage: Stage) -> None:
    """Train the ensemble from what tune chose, test it once, and export it."""
    experiment = load_experiment(stage, build_on="tune").checked()
    stage.run(PRACTICES, with_test(experiment, stage))
    name = metric_name(experiment.validation.targets)
    write_json(stage.workspace / "metrics" / "final.json", test_metric(stage.findings, name))
    if not stage.only:
        export_final(stage, experiment)


def test_metric(findings: Sequence[Finding], name: str) -> Mapping[str, float]:
    """The one figure that runs are compared by, `name`, with its interval; nothing where there is no test split."""
    test = next((finding for finding in findings if finding.practice == final_test.id), None)
    if test is None or test.measured is None or test.interval is None:
        return {}
    return {name: test.measured, f"{name}_low": test.interval[0], f"{name}_high": test.interval[1]}


if __name__ == "__main__":
    main("squeeze", work)
