"""baseline/init_bias: the last bias starts at the mean, or at the log class frequencies."""

import math

import torch
from pydantic import Field
from torch import Tensor

from recipe import drawing
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.probes import everything, some
from recipe.drawing import Curve
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all
from recipe.training.objective import takes_log_probabilities


class Settings(Strict):
    seeds: int = Field(ge=1)
    examples: int = Field(ge=2)
    steps: int = Field(ge=1)


class Limits(Strict):
    max_share: float = Field(ge=0)


@practice("baseline/init_bias")
def init_bias(exp: Experiment) -> Finding:
    """With the last bias set to the mean or the log class frequencies, the first steps do not merely learn the bias.

    What merely learning the bias would gain is measured directly: the best constant shift of the untouched net's
    outputs, as a share of what the best constant guess leaves to learn. The curves show the start of a training with
    and without. Source: the recipe, 2, "init well".
    """
    settings: Settings = exp.stages.baseline.init_bias
    part = some(exp, exp.train, settings.examples)
    inputs, targets = everything(part)
    guess = exp.objective.prior_loss(targets.cpu())
    stake = to_learn(guess, floor_of(exp.objective, targets))
    share = {
        on: sum(_gain_of_shift(exp, seed, on, inputs, targets) for seed in range(settings.seeds))
        / (settings.seeds * stake)
        for on in (True, False)
    }
    return Finding(
        summary=f"A mere shift of the outputs would lower the first loss by {share[True]:.1%} of what a constant guess "
        f"leaves to learn with the last bias set, and by {share[False]:.1%} without.",
        measured=share[True],
        expected=0.0,
        advice="Where a shift would lower the first loss, give the model a last torch.nn.Linear with a bias that adds "
        "to its outputs, or set that bias yourself to the targets' mean or the log class frequencies; scale the "
        "inputs.",
        requirements=(at_most(share[True], "max_share"),),
        figures={
            "first_steps": drawing.curves(
                _curves(exp), "step", "training loss", "The first steps", references={"constant guess": guess}
            )
        },
    )


def _gain_of_shift(exp: Experiment, seed: int, on: bool, inputs: Tensor, targets: Tensor) -> float:
    """How much lower the untouched net's loss is with the best constant added to its outputs."""
    model = exp.new_model(seed, exp.training.having(init_bias=on)).train()
    with torch.no_grad():
        outputs = model(inputs)
    if not outputs.isfinite().all():
        return math.nan
    shift = torch.zeros(outputs.shape[1:], device=outputs.device, requires_grad=True)
    solver = torch.optim.LBFGS([shift], max_iter=50, line_search_fn="strong_wolfe")

    normalised = takes_log_probabilities(exp.objective.loss, outputs, targets)

    def loss() -> Tensor:
        solver.zero_grad()
        shifted = outputs + shift
        value = exp.objective(shifted.log_softmax(1) if normalised else shifted, targets)
        value.backward()
        return value

    solver.step(loss)
    return (exp.objective(outputs, targets) - loss().detach()).item()


def _curves(exp: Experiment) -> dict[str, Curve]:
    share = min(1.0, exp.stages.baseline.init_bias.steps * exp.training.batch_size / len(exp.train))
    names = {"bias set": True, "bias as drawn": False}
    trained = fit_all(exp, [exp.training.having(epochs=1, share=share, init_bias=on) for on in names.values()])
    return {
        name: Curve(range(1, len(one.history.train_loss) + 1), one.history.train_loss.numpy())
        for name, one in zip(names, trained, strict=True)
    }
