"""baseline/whole_test_set: a figure over the whole set, with enough digits, whatever the batch size."""

import numpy as np
import torch
from torch import Tensor, nn

from recipe import drawing
from recipe.evidence import Finding, at_most, practice
from recipe.experiment import Experiment
from recipe.probes import rows
from recipe.training.evaluation import evaluate, metric_name
from recipe.training.fit import fit_all


@practice("baseline/whole_test_set")
def whole_test_set(exp: Experiment) -> Finding:
    """The figure is over the whole evaluation set and does not depend on the batch size.

    The difference is that of the outputs, in units of their spread over the set. All batch sizes are evaluated in full
    precision, as the model is exported: in bf16 rounding alone would move outputs by several hundredths. Source: the
    recipe, 2, "add significant digits to your eval". Before the last stage, the evaluation set is the validation split.
    """
    [trained] = fit_all(exp, [exp.training])
    evaluation = trained.evaluation(exp)
    model = trained.model(exp)
    whole = rows(evaluate(model, exp.objective, exp.validation).outputs, len(exp.validation))
    name, count = metric_name(evaluation.targets), len(exp.validation)
    differences: dict[int, float] = {}
    for size in exp.stages.baseline.whole_test_set.batch_sizes:
        try:
            differences[size] = _difference(exp, model, whole, size)
        except Exception as error:
            return _not_evaluated(size, error)
    worst = float(np.max(list(differences.values())))  # no number where any is none
    low, high = evaluation.interval()
    summary = (
        f"{name} {evaluation.metric:.4f} [{low:.4f}, {high:.4f}], loss {evaluation.loss:.5f}, over all {count} "
        f"validation examples; batches of {', '.join(map(str, differences))} change the outputs by at most "
        f"{worst:.2g} of their spread."
    )
    return Finding(
        summary=summary,
        measured=evaluation.metric,
        interval=(low, high),
        expected="the same for every batch size",
        advice="Beyond the limit, an output depends on which other examples share its batch, in evaluation mode too: "
        "use stored statistics in normalisation layers, and no mean, sort or reshape across the batch.",
        requirements=(at_most(worst, "max_difference"),),
        figures={"figure": drawing.intervals({"validation": (evaluation.metric, low, high)}, name, title="Whole set")},
    )


def _difference(exp: Experiment, model: nn.Module, whole: Tensor, size: int) -> float:
    """The largest change of an output when evaluated in batches of `size`; small batches see part of the set."""
    count = min(len(exp.validation), size * exp.stages.baseline.whole_test_set.batches)
    part = exp.validation.head(count).to(exp.device.torch)
    outputs = rows(evaluate(model, exp.objective, part, batch_size=size).outputs, count)
    spread = whole.std().clamp_min(torch.finfo(torch.float32).tiny)
    return ((outputs - whole[:count]).abs().max() / spread).item()


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
