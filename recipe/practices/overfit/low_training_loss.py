"""overfit/low_training_loss: how low the loss on the training set gets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.bounds import (
    contradictory,
    lower_bound,
    lowest_with_equals,
    no_share,
    or_zero,
    to_learn,
    unjudged,
)
from recipe.diagnostics.causes import likely_causes
from recipe.diagnostics.probes import everything, same_for_the_net, some, some_unlike, stirred_model
from recipe.evidence import Finding, at_most, practice
from recipe.models import count_parameters
from recipe.practices.overfit.adam import steady_rate
from recipe.settings.strict import Strict
from recipe.training.evaluation import evaluate
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.training.handover import Memorised

TRIED = 64  # examples on which likely causes, and a straight line, are looked for
STRAIGHT = 1e-4  # of the outputs' spread: less is the rounding of float32
ROUNDING = 16 * torch.finfo(torch.float32).eps  # of the largest output, through a few layers
REACHES = (1.0, 1000.0)  # times the inputs: a net of ReLUs may be straight where the data lie, and bend beyond
STILL_FALLING = 0.05  # of the loss left to learn, over the last tenth of the epochs
SOLVER_STEPS = 500  # of L-BFGS
SOLVER_BATCH = 512  # examples at a time: memory, not the result, depends on it


class Settings(Strict):
    target: float = Field(gt=0, lt=1)
    cap: int = Field(ge=1)
    widenings: int = Field(ge=0)


class Limits(Strict):
    max_loss_share: float = Field(gt=0)
    max_own_share: float = Field(gt=0)
    max_contradicted: float = Field(ge=0)


@practice("overfit/low_training_loss")
def low_training_loss(exp: Experiment) -> Finding:
    """The model memorises the training set: hardly anything is left of the loss of a constant guess.

    Trained past the budget where that is needed, up to a cap, at the rate that the range test is content with; where
    that is not enough, at the present rate, and then with more width if the model has a setting for it. The smallest
    that memorises goes on to the next stage; that the model itself does not is a warning. A model whose outputs are a
    straight line in its inputs cannot memorise by construction, and is held to the lowest loss that it can reach, which
    a full-batch solver finds because its loss is convex. No net can memorise different targets of equal inputs, as rows
    of few columns have them, so it is held to the best answer to each; where that leaves much, it is a warning. Source:
    the recipe, 3, "overfit".
    """
    bounds = _bounds(exp)
    if reason := _unjudged(exp, bounds):
        return unjudged("No training can be judged by its loss", reason)
    guess, floor, until, optimum = bounds.guess, bounds.floor, bounds.until, bounds.optimum
    tried = _tried(exp, bounds)
    own, run = tried[0], tried[-1]
    reached = evaluate(run.model(exp), exp.objective, exp.train)
    share = (reached.loss - floor) / (guess - floor)
    last = run.history.epoch_loss()[-1].item()
    wider = run.training.model != exp.training.model
    remark = f"{_contradicted_in_words(bounds)}{_width_in_words(exp, run) if wider else ''}"
    if optimum is not None:
        remark += (
            f" The model is linear in its inputs and cannot memorise: it is held to its own optimum, {optimum:.4g}."
        )
    advice = "Where the training set is not memorised, make the model larger or train longer; regularise only then."
    if not last <= until:  # told in the advice, which is for who does not pass: a threshold may allow more than this
        advice = f"Mend the first of the likely causes: {'; '.join(_causes(exp, own, bounds))}. Regularise only then."
    elif wider:
        advice = f"The model itself is too small to memorise: set model.width={run.training.model.default_of('width')}."
    return Finding(
        summary=f"After {run.history.epochs} epochs the training loss is {reached.loss:.3g}: {share:.1%} is left of "
        f"what was to be learnt from a constant guess at {guess:.3g}; the training {reached.name} is "
        f"{reached.metric:.4f}.{remark}",
        measured=share,
        expected=0.0,
        advice=advice,
        requirements=(
            at_most(share, "max_loss_share"),
            at_most(bounds.contradicted_share, "max_contradicted", otherwise="warn"),
            *((at_most(_share(own, bounds), "max_own_share", otherwise="warn"),) if wider else ()),
        ),
        figures={"loss": _figure(run, guess, until)},
    )


def memorised(exp: Experiment) -> Memorised:
    """What the next stage starts from: the smallest capacity that memorises, its rate, and the steps it took.

    Where none does, or none can be judged by its loss, the experiment's own training.
    """
    bounds = _bounds(exp)
    if _unjudged(exp, bounds):
        return Memorised(exp.training, None)
    run = _tried(exp, bounds)[-1]
    if not _has_memorised(run, bounds):
        return Memorised(exp.training, None)
    training = run.training.having(epochs=exp.training.epochs, until=None)
    return Memorised(training, len(run.history.train_loss))


@dataclass(frozen=True)
class _Bounds:
    """Training losses: of a constant guess, the lowest there can be, and where a set counts as memorised.

    `lowest` is that of any outputs, `-inf` where there is no bound. `optimum` is that of a model which is linear in its
    inputs; None of any other. `contradicted` are the examples that equal another one whose target is different.
    """

    guess: float
    lowest: float
    floor: float
    until: float
    optimum: float | None
    contradicted: int
    contradicted_share: float


def _bounds(exp: Experiment) -> _Bounds:
    targets = exp.train.targets.cpu()
    guess = exp.objective.prior_loss(targets)
    lowest = lower_bound(exp.objective, targets)
    of_equals, contradicted = lowest_with_equals(exp.train, exp.objective, lowest)
    optimum = own_optimum(exp) if is_straight(exp) else None
    floor = or_zero(of_equals, guess) if optimum is None else optimum
    target: float = exp.stages.overfit.low_training_loss.target
    until = floor + target * (guess - floor)
    lost = (of_equals - lowest) / to_learn(guess, lowest) if math.isfinite(lowest) else 0.0
    return _Bounds(guess, of_equals, floor, until, optimum, contradicted, lost)


def _unjudged(exp: Experiment, bounds: _Bounds) -> str:
    """Why no training can be judged by its loss; empty where it can."""
    return no_share(exp, some_unlike(exp, exp.train, TRIED), bounds.guess, bounds.lowest)


def _contradicted_in_words(bounds: _Bounds) -> str:
    if not bounds.contradicted:
        return ""
    return (
        f" {bounds.contradicted:,} training examples equal another one whose target is different, which puts "
        f"{bounds.contradicted_share:.1%} of it out of reach of any net."
    )


def _tried(exp: Experiment, bounds: _Bounds) -> list[Trained]:
    """What was trained until one memorised: the model itself first, and last the one that memorised, or the largest."""
    runs: list[Trained] = []
    for training in _attempts(exp):
        epochs = training.epochs * exp.stages.overfit.low_training_loss.cap
        runs += fit_all(exp, [training.having(epochs=epochs, until=bounds.until)])
        if _has_memorised(runs[-1], bounds):
            break
    own = [run for run in runs if run.training.model == exp.training.model]
    if not _has_memorised(runs[-1], bounds):
        return [min(own, key=lambda run: _share(run, bounds))]
    return [min(own, key=lambda run: _share(run, bounds)), runs[-1]]


def _attempts(exp: Experiment) -> Iterator[Training]:
    """The training at the rate that goes on, at its own rate, and then wider and wider."""
    training, rate = exp.training, steady_rate(exp)
    steady = training if rate is None else training.having(optimizer=training.optimizer.having(lr=rate))
    yield steady
    if rate is not None and rate != training.optimizer.default_of("lr"):
        yield training
    width = training.model.declared("width")
    if isinstance(width, int):
        for doublings in range(1, exp.stages.overfit.low_training_loss.widenings + 1):
            yield steady.having(model=training.model.having(width=width << doublings))


def _has_memorised(run: Trained, bounds: _Bounds) -> bool:
    return run.history.epoch_loss()[-1].item() <= bounds.until


def _share(run: Trained, bounds: _Bounds) -> float:
    """What is left of the loss that was to be learnt, over the last epoch; infinite where it diverged."""
    left = (run.history.epoch_loss()[-1].item() - bounds.floor) / (bounds.guess - bounds.floor)
    return left if math.isfinite(left) else math.inf


def _width_in_words(exp: Experiment, run: Trained) -> str:
    before, after = (one.model.default_of("width") for one in (exp.training, run.training))
    return f" It took a width of {after} in place of {before}, from which the next stage starts."


@torch.no_grad()
def is_straight(exp: Experiment) -> bool:
    """Whether the outputs half way between two inputs are half way between the two outputs, and not all the same.

    Tried on a model whose parameters are moved a little, since one that starts at zero gives the same for every input,
    and on the inputs and far beyond them.
    """
    model = stirred_model(exp)
    inputs, _ = everything(some(exp, exp.train, TRIED))
    return all(_is_straight_on(model, reach * inputs) for reach in REACHES)


def _is_straight_on(model: nn.Module, inputs: Tensor) -> bool:
    other = inputs.roll(1, 0)
    ends, middle = model(inputs), model((inputs + other) / 2)
    bend = (middle - (ends + ends.roll(1, 0)) / 2).abs().max()
    spread, noise = (ends - ends.mean(0)).std(), ROUNDING * ends.abs().max()
    return bool(spread > noise) and bool(bend <= torch.maximum(STRAIGHT * spread, noise))


def own_optimum(exp: Experiment) -> float:
    """The lowest training loss of a model that is linear in its inputs: L-BFGS over the whole training set."""
    model = exp.new_model().eval()
    split = exp.train.to(exp.device.torch)
    parts = torch.arange(len(split), device=split.device).split(SOLVER_BATCH)
    solver = torch.optim.LBFGS(model.parameters(), max_iter=SOLVER_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        total = torch.zeros((), device=split.device)
        for part in parts:
            inputs, targets = split.batch(part)
            share = exp.objective(model(inputs), targets) * (len(part) / len(split))
            share.backward()
            total += share.detach()
        return total

    solver.step(loss)
    return loss().item()


def _causes(exp: Experiment, run: Trained, bounds: _Bounds) -> list[str]:
    """Why the training set was not memorised, the surest first."""
    model, history = run.model(exp), run.history
    found = likely_causes(exp, model, some(exp, exp.train, TRIED))
    if history.diverged:
        found.append("the loss became infinite: the learning rate is too high")
    alike = int(contradictory(exp.train.targets.cpu(), same_for_the_net(exp.train)).sum())
    if alike > bounds.contradicted:
        found.append(f"{alike} training examples are for the net equal to another one whose target is different")
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    if frozen:
        are = "parameter is" if len(frozen) == 1 else "parameters are"
        found.append(f"{len(frozen)} {are} frozen, {frozen[0]} for one")
    losses = history.epoch_loss()
    tenth = max(1, len(losses) // 10)
    before = losses[-1 - tenth : -tenth].mean()
    if before - losses[-1] > STILL_FALLING * (before - bounds.floor):
        found.append("the loss was still falling: more epochs, or a higher learning rate, would bring it down")
    numbers = count_parameters(model)
    if numbers < len(exp.train) * exp.objective.n_outputs:
        found.append(f"{numbers} parameters are few for {len(exp.train)} examples: a larger model")
    return found or ["none that is known shows: try a larger model and a higher learning rate"]


def _figure(run: Trained, guess: float, until: float) -> object:
    losses = run.history.epoch_loss()
    return drawing.curves(
        {"training loss": drawing.Curve(range(1, len(losses) + 1), losses.numpy())},
        "epoch",
        "training loss",
        "Memorising the training set",
        references={"a constant guess": guess, "memorised": until},
        log_y=bool((losses > 0).all()) and until > 0,
    )
