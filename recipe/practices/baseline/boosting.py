"""baseline/boosting: whether boosted trees are better on a table than the net."""

import math

from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, at_least, practice, skip
from recipe.settings.strict import Strict
from recipe.statistics.paired import intervals
from recipe.training.baselines import linear_training
from recipe.training.boosting import boosting_outputs, takes_rows
from recipe.training.evaluation import Evaluation, evaluate_outputs
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import fit_all

LEVEL = 0.025  # at either end of an interval


class Settings(Strict):
    rounds: int = Field(ge=1)
    lr: float = Field(gt=0, le=1)
    patience: int = Field(ge=1)
    held_out: float = Field(gt=0, lt=1)
    steps: int = Field(ge=1)


class Limits(Strict):
    min_lead: float


@practice("baseline/boosting")
def boosting(exp: Experiment) -> Finding:
    """On a table, gradient boosting is not better than the net beyond chance.

    Both learn from the same examples of the same inputs, and differences are paired, example by example. A net that
    the trees beat is trained for longer, up to its best epoch, before that is said. On tables of up to some ten
    thousand rows boosted trees are often the better model (Grinsztajn et al. 2022, NeurIPS, "Why do tree-based models
    still outperform deep learning on tabular data?"). Source: the recipe, 2, "simple baseline".
    """
    if not takes_rows(exp):
        return skip("Boosted trees are for tables, and an example here is no row of numbers.")
    validation, training = exp.validation, exp.training
    outputs = boosting_outputs(exp, validation)
    trees = evaluate_outputs(outputs, validation.targets.cpu(), exp.objective, validation.groups)
    line, net = (one.evaluation(exp) for one in fit_all(exp, [linear_training(exp), training]))
    at_best = _lead(net, trees)[1]
    if at_best < 0:
        training = _longer(exp)
        net = fit_all(exp, [training])[0].evaluation(exp)
        at_best = _lead(net, trees)[1]
    better = "; the trees are better than the net beyond chance" if at_best < 0 else ""
    compared = {"boosting": trees, "net": net, "linear": line}
    return Finding(
        summary=f"Gradient boosting reaches {trees.name} {_figure(trees)}, the net {_figure(net)} after "
        f"{training.epochs} epochs, a linear model {_figure(line)}{better}.",
        measured=trees.metric,
        interval=trees.interval(),
        expected="no better than the net, beyond chance",
        advice="A net that stays below it has a bug, is not trained yet, or is the wrong model for these data: where "
        "squeeze/final_test says the same, use gradient boosting.",
        requirements=(at_least(at_best, "min_lead", otherwise="warn"),),
        figures={
            "beside_the_net": drawing.intervals(
                {name: (one.metric, *one.interval()) for name, one in compared.items()}, trees.name, "On a table"
            )
        },
    )


def _longer(exp: Experiment) -> Training:
    """At least as many steps as the settings say, ending with the best epoch."""
    steps_per_epoch = math.ceil(len(exp.train) / exp.training.batch_size)
    epochs = math.ceil(exp.stages.baseline.boosting.steps / steps_per_epoch)
    return exp.training.having(epochs=max(exp.training.epochs, epochs), keep_best=True)


def _lead(net: Evaluation, trees: Evaluation) -> tuple[float, float]:
    """The 95 % interval of by how much the net is better."""
    groups = net.groups
    differences = (net.scores - trees.scores).numpy()
    [lead] = intervals([differences], net.objective.metric.scored, LEVEL, None if groups is None else [groups.numpy()])
    return lead


def _figure(one: Evaluation) -> str:
    low, high = one.interval()
    return f"{one.metric:.4f} [{low:.4f}, {high:.4f}]"
