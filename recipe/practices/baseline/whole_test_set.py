"""baseline/whole_test_set: the metric over the whole set, with enough digits, whatever the batch size."""

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.modes import Modes, compare_modes
from recipe.diagnostics.probes import everything, rows, some
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.evaluation import evaluate
from recipe.training.experiment import Experiment
from recipe.training.fit import Trained, fit_all

EXAMPLES = 256  # on which the two modes are compared
SETTLED = 30  # steps after which torch's default momentum has forgotten 0.9^30, all but 4 %, of where it started
FAR, HASTY = 0.5, 0.75  # beyond which a layer is named; the gate has limits of its own


class Settings(Strict):
    batch_sizes: tuple[PositiveInt, ...] = Field(min_length=1)
    batches: int = Field(ge=1)


class Limits(Strict):
    max_difference: float = Field(ge=0)
    max_mode_distance: float = Field(ge=0)
    max_replaced: float = Field(ge=0, le=1)


@practice("baseline/whole_test_set")
def whole_test_set(exp: Experiment) -> Finding:
    """The figure is over the whole evaluation set and does not depend on the batch size.

    The difference is that of the outputs, in units of their spread over the set. All batch sizes are evaluated in full
    precision, as the model is exported: in bf16 rounding alone would move outputs by several hundredths. Where layers
    have running statistics, which evaluation alone uses, it is looked at how far it is from training mode on the same
    examples (Ioffe and Szegedy 2015, 3.1), once enough steps have moved them. Source: the recipe, 2, "add significant
    digits to your eval". Before the last stage, the evaluation set is the validation split.
    """
    [trained] = fit_all(exp, [exp.training])
    evaluation = trained.evaluation(exp)
    model = trained.model(exp)
    whole = rows(evaluate(model, exp.objective, exp.validation).outputs, len(exp.validation))
    name, count = evaluation.name, len(exp.validation)
    differences: dict[int, float] = {}
    for size in exp.stages.baseline.whole_test_set.batch_sizes:
        try:
            differences[size] = _difference(exp, model, whole, size)
        except Exception as error:
            return _not_evaluated(size, error)
    worst = float(np.max(list(differences.values())))  # no number where any is none
    low, high = evaluation.interval()
    modes = _modes(exp, trained)
    summary = (
        f"{name} {evaluation.metric:.4f} [{low:.4f}, {high:.4f}], loss {evaluation.loss:.5f}, over all {count} "
        f"validation examples; batches of {', '.join(map(str, differences))} change the outputs by at most "
        f"{worst:.2g} of their spread{_told(modes)}."
    )
    return Finding(
        summary=summary,
        measured=evaluation.metric,
        interval=(low, high),
        expected="the same for every batch size",
        advice="Beyond the limit, an output depends on which other examples share its batch, in evaluation mode too: "
        "use stored statistics in normalisation layers, and no mean, sort or reshape across the batch. Where "
        "evaluation is far from training, see to batch norm's momentum: torch's is the share of the new batch, 0.1 and "
        "not 0.9 or 0.99.",
        requirements=(
            at_most(worst, "max_difference"),
            at_most(modes.distance if modes else 0.0, "max_mode_distance", otherwise="warn"),
            at_most(modes.hastiest.replaced if modes else 0.0, "max_replaced", otherwise="warn"),
        ),
        figures={
            "figure": drawing.intervals(
                {"validation": (evaluation.metric, low, high)}, name, title="On the whole validation set"
            )
        },
    )


def _difference(exp: Experiment, model: nn.Module, whole: Tensor, size: int) -> float:
    """The largest change of an output when evaluated in batches of `size`; small batches see part of the set."""
    count = min(len(exp.validation), size * exp.stages.baseline.whole_test_set.batches)
    part = exp.validation.head(count).to(exp.device.torch)
    outputs = rows(evaluate(model, exp.objective, part, batch_size=size).outputs, count)
    spread = whole.std().clamp_min(torch.finfo(torch.float32).tiny)
    return ((outputs - whole[:count]).abs().max() / spread).item()


def _modes(exp: Experiment, trained: Trained) -> Modes | None:
    if len(trained.history.train_loss) < SETTLED:
        return None
    inputs, _ = everything(some(exp, exp.train, EXAMPLES))
    return compare_modes(trained.model(exp), inputs)


def _told(modes: Modes | None) -> str:
    if modes is None:
        return ""
    told = f"; in evaluation mode they are {modes.distance:.2g} of it away from those in training mode"
    if modes.distance > FAR:
        told += f", {modes.furthest.name} the furthest: its running statistics are not those of the examples"
    hastiest = modes.hastiest
    if hastiest.replaced > HASTY:
        told += f"; one batch replaces {hastiest.replaced:.0%} of the running statistics of {hastiest.name}"
    return told


def _not_evaluated(size: int, error: Exception) -> Finding:
    reason = (str(error).strip().split("\n", 1)[0] or "no message").rstrip(".")
    return Finding(
        summary=f"The model cannot evaluate a batch of {size}: {type(error).__name__}, {reason}.",
        measured=float("nan"),
        expected="the same for every batch size",
        advice="The model must take a batch of any size in evaluation mode: index dimensions by name, squeeze none "
        "but the last, and use stored statistics in normalisation layers.",
        requirements=(at_most(float("nan"), "max_difference"),),
    )
