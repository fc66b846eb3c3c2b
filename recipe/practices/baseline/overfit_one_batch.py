"""baseline/overfit_one_batch: whether the net can learn a handful of examples by heart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from recipe import drawing
from recipe.diagnostics.bounds import lowest_loss, lowest_with_equals, no_share, or_zero, unjudged
from recipe.diagnostics.causes import built_in_causes, likely_causes
from recipe.diagnostics.decoding import label_of, picture
from recipe.diagnostics.probes import everything, rows, some_unlike
from recipe.drawing import Curve
from recipe.evidence import Finding, at_most, practice
from recipe.settings.strict import Strict
from recipe.training.experiment import Experiment, Training
from recipe.training.loop import train
from recipe.training.split import Split

FASTER = (10.0, 100.0, 1000.0)  # times the learning rate; linear models on tables need up to 100 in so few steps
SLOWER = (0.1, 0.01, 1e-3, 1e-4)
RISEN = 2.0  # times what is to be learnt at first, at any step; at a rate that fits the loss hardly ever rises
LAST = 5  # steps whose median is the final loss: one lucky step is not enough


@dataclass(frozen=True)
class Attempt:
    """One try: what was changed (nothing, the width, the learning rate) and how far the loss came down.

    `share` is what remains of the loss, from 1 for equal outputs to 0 at the lowest that any outputs could reach.
    """

    label: str
    model: nn.Module
    losses: Tensor
    share: float
    rate_factor: float = 1.0


class Settings(Strict):
    examples: int = Field(ge=2)
    steps: int = Field(ge=1)
    target: float = Field(gt=0, lt=1)
    widenings: int = Field(ge=0)


class Limits(Strict):
    max_loss_share: float = Field(ge=0)
    max_rate_factor: float = Field(ge=1)


@practice("baseline/overfit_one_batch")
def overfit_one_batch(exp: Experiment) -> Finding:
    """The net overfits a handful of examples to (near) zero loss.

    Tried as it is; where that is not enough, with more capacity if the model has a setting for it, and at a higher
    learning rate, since a few hundred steps at a low one may not do. Equal inputs with different targets, which no net
    can overfit, are held to the best answer to all of them. Where the loss went up instead, lower rates are
    tried, only to say that the rate is the cause. Source: the recipe, 2, "overfit one batch".
    """
    settings: Settings = exp.stages.baseline.overfit_one_batch
    few = some_unlike(exp, exp.train, settings.examples)
    guess = exp.objective.even_loss(few.targets.cpu())
    lowest, _ = lowest_with_equals(few, exp.objective, lowest_loss(exp.objective, few.targets))
    if reason := no_share(exp, few, guess, lowest):
        return unjudged(f"No training on {len(few)} examples can be judged", reason)
    floor = or_zero(lowest, guess)
    first = last = _attempt(exp, few, exp.training, floor, "as it is")
    tried = [first]
    built_in = [] if first.share <= settings.target else built_in_causes(exp, few)
    for changed in [] if built_in else _changes(exp, first, floor):
        if last.share <= settings.target:
            break
        last = _attempt(exp, few, changed.training, floor, changed.label, changed.rate_factor)
        tried.append(last)
    best = min((one for one in tried if one.rate_factor >= 1), key=lambda one: one.share)
    solved = best.share <= settings.target
    how = "" if best is first else f" {best.label}"
    summary = f"{len(few)} examples: {best.share:.1%} of the first loss is left after {len(best.losses)} steps{how}"
    if not solved:
        rescue = last.label if last.share <= settings.target else ""
        summary += f"; likely cause: {'; '.join(_causes(exp, few, first, rescue))}"
    return Finding(
        summary=f"{summary}.",
        measured=best.share,
        expected=0.0,
        advice="Where the batch is not overfitted, look for the bug before anything else: scores into the loss and "
        "not probabilities, outputs and targets of one shape, each label with its own input, every layer in the "
        "optimizer, a learning rate that fits.",
        requirements=(
            at_most(best.share, "max_loss_share"),
            at_most(best.rate_factor if solved else 1.0, "max_rate_factor", otherwise="warn"),
        ),
        figures={
            "loss": drawing.curves(
                {one.label: Curve(range(1, len(one.losses) + 1), one.losses.numpy()) for one in tried},
                "step",
                "loss",
                "Overfitting one batch",
                log_y=all(bool((one.losses > 0).all()) for one in tried),
            ),
            "examples": _examples(exp, few, best.model),
        },
    )


@dataclass(frozen=True)
class _Change:
    label: str
    training: Training
    rate_factor: float = 1.0


def _changes(exp: Experiment, first: Attempt, floor: float) -> Iterator[_Change]:
    """What to try next, while the net does not overfit: slower where the loss went up, else wider, then faster."""
    went_up = not (first.losses.max() - floor) < RISEN * (first.losses[0] - floor)
    model, optimizer = exp.training.model, exp.training.optimizer
    if model.declares("width") and not went_up:
        for doublings in range(1, exp.stages.baseline.overfit_one_batch.widenings + 1):
            width = int(model.default_of("width") << doublings)
            yield _Change(f"with width {width}", exp.training.having(model=model.having(width=width)))
    if not optimizer.declares("lr") or not optimizer.default_of("lr"):
        return
    rate = float(optimizer.default_of("lr"))
    for factor in SLOWER if went_up else FASTER:
        training = exp.training.having(optimizer=optimizer.having(lr=rate * factor))
        yield _Change(f"with a learning rate of {rate * factor:g}", training, factor)


def _attempt(
    exp: Experiment, few: Split, training: Training, floor: float, label: str, rate_factor: float = 1.0
) -> Attempt:
    settings: Settings = exp.stages.baseline.overfit_one_batch
    model = exp.new_model(training=training)
    placed, optimizer, backward = exp.device.place(model, exp.new_optimizer(model, training))
    guess = exp.objective.even_loss(few.targets.cpu())
    reach = settings.target * (guess - floor) + floor
    history = train(
        placed,
        exp.objective,
        optimizer,
        few,
        epochs=settings.steps,
        batch_size=len(few),
        seed=training.seed,
        backward=backward,
        on_epoch=lambda epoch, history: bool((history.train_loss[-LAST:] > reach).any()),
    )
    final = history.train_loss[-LAST:].median().item()
    share = (final - floor) / (guess - floor)
    return Attempt(label, placed.eval(), history.train_loss, share, rate_factor)


def _causes(exp: Experiment, few: Split, first: Attempt, rescue: str) -> list[str]:
    causes = likely_causes(exp, first.model, few)
    if rescue:
        return [f"the learning rate is too high: {rescue} it overfits", *causes]
    return causes or ["none that is known shows; the model may be too small or cut off from its input"]


def _examples(exp: Experiment, few: Split, model: nn.Module) -> object:
    """Each example with its label and what the net says of it."""
    inputs, targets = everything(few)
    with torch.no_grad():
        outputs = rows(model(inputs), len(few)).cpu()
    said = outputs.argmax(1) if exp.task == "classification" else outputs
    captions = [
        f"{label_of(exp, target)} → {label_of(exp, guess)}" for target, guess in zip(targets.cpu(), said, strict=True)
    ]
    return picture(exp, few, captions, "Label → prediction")
