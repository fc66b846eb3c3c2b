"""How low a loss can go. A loss has no zero of its own, so what is left of it is a share of what there is to learn.

That is the way from a constant guess down to the floor, the least that any outputs could cost. Such a share is the
same for a loss and for that loss plus a constant; a density's log-likelihood may be negative all the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from recipe.diagnostics.probes import all_equal, everything, is_log_distribution, rows, same_inputs, stirred_model
from recipe.evidence import Finding, at_most
from recipe.training.experiment import Experiment
from recipe.training.objective import Objective, takes_log_probabilities
from recipe.training.split import Split

REACH_ZERO = (functional.cross_entropy, functional.mse_loss)  # the default losses: their floor needs no search
SOLVER_STEPS = 100  # of L-BFGS
EXAMPLES = 64  # of a regression, whose targets the floor is the mean over
STILL_FALLING = 0.5  # of the first solver's fall, in a second one of as many steps; with a floor it is next to nothing
FAR = 1e6  # times the first loss, or one: no loss with a floor falls so far, and float32 holds such steps no longer
RARE = 1e-4  # the share of a class that no equal example has: it costs as much of the loss, and 0 has no logarithm
ROUNDING = 1e-6  # of a loss's size: float32 carries seven digits

ALIKE = "all targets of the training set are equal, so a constant is right and there is nothing to learn"
NOTHING = "a constant guess costs as little as any outputs could, so there is nothing to learn"
NO_FLOOR = "the loss has no lower bound, so there is no share of it to be left: some outputs always cost less"
NO_LOG_PROBABILITIES = (
    "the loss reads off log probabilities and the outputs are none, so it has no lower bound: end the model in "
    "LogSoftmax, or take cross-entropy"
)


def no_share(experiment: Experiment, few: Split, guess: float, lowest: float) -> str:
    """Why no share of the loss can tell what a net has learnt, in plain words; empty where one can.

    Args:
        few: examples whose targets are equal only where all of the training set's are.
        guess: what a constant guess costs.
        lowest: what `lowest_loss` or `lower_bound` gives.
    """
    inputs, targets = everything(few)
    if all_equal(targets):
        return ALIKE
    with torch.no_grad():
        outputs = rows(stirred_model(experiment)(inputs), len(few))
        if takes_log_probabilities(experiment.objective.loss, outputs, targets) and not is_log_distribution(outputs):
            return NO_LOG_PROBABILITIES
    if lowest == -math.inf:
        return NO_FLOOR
    return NOTHING if guess - lowest <= _rounding(guess, lowest) else ""


def unjudged(what: str, reason: str) -> Finding:
    """What a practice finds that is to hold the loss left, where `no_share` gives a reason."""
    return Finding(
        summary=f"{what}: {reason}.",
        measured=math.nan,
        expected=0.0,
        advice="Mend the targets or the loss first.",
        requirements=(at_most(math.nan, "max_loss_share"),),
    )


def to_learn(guess: float, floor: float) -> float:
    """The way from what a guess costs down to the floor; more than its rounding, so that shares of it can be taken."""
    return max(guess - floor, _rounding(guess, floor), torch.finfo(torch.float32).tiny)


def _rounding(*losses: float) -> float:
    return ROUNDING * max(map(abs, losses))


def floor_of(objective: Objective, targets: Tensor) -> float:
    """The least that any outputs could cost on `targets`, (N,) or (N, k), or what stands in for it."""
    return or_zero(lower_bound(objective, targets), objective.prior_loss(targets.cpu()))


def or_zero(floor: float, guess: float) -> float:
    """`floor`; where none is known, zero, or what lies as far below a negative `guess` as that lies below zero."""
    return floor if math.isfinite(floor) else min(0.0, 2 * guess)


def lower_bound(objective: Objective, targets: Tensor) -> float:
    """The least that any outputs could cost on `targets`, (N,) or (N, k); see `lowest_loss`."""
    if objective.loss in REACH_ZERO:
        return 0.0
    if objective.task == "regression":
        return lowest_loss(objective, targets[:: math.ceil(len(targets) / EXAMPLES)])
    classes, counts = targets.unique(return_counts=True)
    return lowest_loss(objective, classes, counts / counts.sum())


def lowest_with_equals(split: Split, objective: Objective, lowest: float) -> tuple[float, int]:
    """The least that a net could cost on `split`, and how many examples equal another one whose target is different.

    Equal are those that the data hold alike: what a transform makes alike is its fault, and so are inputs of which none
    differs from another, so these are excused nothing. Equal inputs get one answer, the best for all of their targets;
    `lowest` is what the other examples can come to. Answers are found all at once, so a loss that mixes the examples of
    a batch is taken for one that does not.
    """
    targets, numbers = split.targets.cpu(), same_inputs(split)
    contradicted = contradictory(targets, numbers) & bool(numbers.any())
    count = int(contradicted.sum())
    if not count or not math.isfinite(lowest):
        return lowest, count
    asked, (_, which) = targets[contradicted], numbers[contradicted].unique(return_inverse=True)
    answers = _mean_answers(objective, asked, which).requires_grad_()
    normalised = takes_log_probabilities(objective.loss, answers.detach()[which], asked)

    def loss() -> Tensor:
        return objective((answers.log_softmax(1) if normalised else answers)[which], asked)

    least = _lowered(answers, loss, -math.inf)
    return lowest + count / len(targets) * (least - lowest), count


def contradictory(targets: Tensor, numbers: Tensor) -> Tensor:
    """Which examples (N,) have an equal with another target; `numbers` (N,) are the same for equal ones."""
    _, kinds = targets.unique(dim=0, return_inverse=True)
    inputs, targets_of_each = torch.stack([numbers, kinds], 1).unique(dim=0)[:, 0].unique(return_counts=True)
    return torch.isin(numbers, inputs[targets_of_each > 1])


def _mean_answers(objective: Objective, targets: Tensor, which: Tensor) -> Tensor:
    """The best answer to each group under the default losses, (G, k): the mean, or the logarithms of the shares."""
    if objective.task == "classification":
        targets = functional.one_hot(targets, objective.n_outputs).float()
    counts = which.bincount()
    means = targets.new_zeros(len(counts), targets.shape[1]).index_add_(0, which, targets) / counts[:, None]
    return means.clamp_min(RARE).log() if objective.task == "classification" else means


def lowest_loss(objective: Objective, targets: Tensor, weights: Tensor | None = None) -> float:
    """The mean loss of the best outputs: 0 for cross-entropy, more with smoothed labels.

    -inf where there is no bound, NaN where the search comes to outputs for which the loss is no number. Found with the
    outputs themselves as parameters, each example alone, so that a loss that mixes examples is not excused; they are
    held to be log probabilities where the loss takes such.

    Args:
        weights: of each example (N,), which sum to one; by default all weigh the same.
    """
    outputs = _start(objective, targets).requires_grad_()
    normalised = takes_log_probabilities(objective.loss, outputs, targets)

    def loss() -> Tensor:
        given = outputs.log_softmax(1) if normalised else outputs
        pairs = zip(given.split(1), targets.split(1), strict=True)
        losses = torch.stack([objective(output, target) for output, target in pairs])
        return losses.mean() if weights is None else (losses * weights).sum()

    even = loss().item()
    try:
        first, second = (_lowered(outputs, loss, even - FAR * max(abs(even), 1.0)) for _ in range(2))
    except _EndlessError:
        return -math.inf
    return -math.inf if first - second > STILL_FALLING * (even - first) else first


class _EndlessError(Exception):
    """The loss falls further than any that has a floor."""


def _start(objective: Objective, targets: Tensor) -> Tensor:
    """Where the search begins: at equal scores, or at the very numbers that are asked for."""
    if objective.task == "regression" and objective(targets, targets).isfinite():
        return targets.clone()
    return torch.zeros(len(targets), objective.n_outputs, device=targets.device)


def _lowered(outputs: Tensor, loss: Callable[[], Tensor], too_low: float) -> float:
    """Bring `loss` down by changing `outputs` in place; gives where it ends.

    Raises:
        _EndlessError: that is below `too_low`.
    """
    solver = torch.optim.LBFGS([outputs], max_iter=SOLVER_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        value = loss()
        if value < too_low:
            raise _EndlessError
        value.backward()
        return value

    solver.step(closure)
    return loss().item()
