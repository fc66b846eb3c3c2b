"""baseline/linear: what a linear model on the same inputs reaches."""

from pydantic import Field

from recipe import drawing
from recipe.evidence import Finding, practice
from recipe.settings.strict import Strict
from recipe.training.baselines import linear_training
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all


class Settings(Strict):
    steps: int = Field(ge=1)
    lr: float = Field(gt=0)


@practice("baseline/linear")
def linear(exp: Experiment) -> Finding:
    """A linear model on the same inputs gives the number to beat.

    Trained by the same loop, with Adam at a rate of its own. Source: the recipe, 2, "simple baseline".
    """
    line, net = fit_all(exp, [linear_training(exp), exp.training])
    straight, own = line.evaluation(exp), net.evaluation(exp)
    name = straight.name
    low, high = straight.interval()
    return Finding(
        summary=f"A linear model reaches {name} {straight.metric:.4f} [{low:.4f}, {high:.4f}], the net "
        f"{own.metric:.4f} after {exp.training.epochs} epochs.",
        measured=straight.metric,
        interval=(low, high),
        expected="the number to beat",
        advice="A net that stays below it has a bug or is not trained yet.",
        figures={
            "beside_the_net": drawing.intervals(
                {"linear": (straight.metric, low, high), "net": (own.metric, *own.interval())},
                name,
                "The number to beat",
            )
        },
    )
