"""The training loop: one function, one page, everything optional is a value passed in."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from recipe.training.best_epochs import BestEpochs
from recipe.training.evaluation import evaluate
from recipe.training.live import Live
from recipe.training.objective import Objective
from recipe.training.split import Split

Augment = Callable[[Tensor], Tensor]
Mix = Callable[[Tensor], tuple[Tensor, Tensor, float]]
Lesson = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # see `train`


def no_lesson(loss: Tensor, outputs: Tensor, inputs: Tensor, index: Tensor) -> Tensor:
    """The loss of the targets as it is."""
    return loss


class Optimizer(Protocol):
    """What the loop calls; every torch.optim optimizer has it."""

    def zero_grad(self) -> None: ...

    def step(self) -> object: ...


class Scheduler(Protocol):
    """What the loop calls after each step of the optimizer; torch's schedulers have it, but ReduceLROnPlateau."""

    def step(self) -> object: ...


@dataclass
class History:
    """What one training recorded.

    `train_loss` is the loss of every step, (steps,), as it was descended: where examples are mixed, the mixed loss,
    which cannot reach zero. `validation_loss` and `validation_metric` are of every epoch, over the whole split, of
    which no example is augmented or mixed; `best_epoch` counts from 1. What each of its examples adds to them, (N,), is
    kept of the last epoch (`end_losses`, `end_scores`) and of the epoch that is best for other examples (`best_losses`,
    `best_scores`).
    """

    train_loss: Tensor
    steps_per_epoch: int
    validation_loss: list[float] = field(default_factory=list)
    validation_metric: list[float] = field(default_factory=list)
    best_epoch: int = 0
    diverged: bool = False
    end_losses: Tensor = field(default_factory=lambda: torch.empty(0))
    end_scores: Tensor = field(default_factory=lambda: torch.empty(0))
    best_losses: Tensor = field(default_factory=lambda: torch.empty(0))
    best_scores: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def epochs(self) -> int:
        return len(self.train_loss) // self.steps_per_epoch

    def at_best_epoch(self) -> tuple[Tensor, Tensor]:
        """Loss and score of each validation example, both (N,), at the epoch that is best for other examples.

        The best of many epochs looks better on the examples that chose it than it is. A training that diverged has lost
        infinitely much, however good it was before.
        """
        losses = self.best_losses.double()
        return torch.full_like(losses, math.inf) if self.diverged else losses, self.best_scores.double()

    def epoch_loss(self) -> Tensor:
        """The mean training loss of each epoch, (epochs,)."""
        return self.train_loss.view(-1, self.steps_per_epoch).mean(1)


def train(
    model: nn.Module,
    objective: Objective,
    optimizer: Optimizer,
    split: Split,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    scheduler: Scheduler | None = None,
    augment: Augment | None = None,
    mix: Mix | None = None,
    validation: Split | None = None,
    keep_best: bool = False,
    backward: Callable[[Tensor], None] | None = None,
    lesson: Lesson = no_lesson,
    on_epoch: Callable[[int, History], bool] | None = None,
    live: Live | None = None,
    held: Sequence[nn.Module] = (),
) -> History:
    """Train `model` in place and return what was recorded.

    Args:
        split: the training examples, resident; a batch of them is an index.
        seed: decides the order of the examples; dropout and augmentation draw from torch's global generator.
        scheduler: moves the learning rate after each step.
        augment: changes each training batch (N, ...) -> (N, ...), before the split's transform.
        mix: mixes each training batch as the net would receive it, (N, ...) -> the mixed inputs, whom each is mixed
            with (N,), and the share that is its own; the loss is mixed alike, so that any loss will do.
        validation: evaluated whole after every epoch.
        keep_best: end with the weights of the lowest validation loss (early stopping without stopping early).
        backward: called with the loss in place of `loss.backward()`, where a device scales its losses.
        lesson: gives the loss in place of that of the targets, from that, the outputs, the inputs as the net got them,
            and their places in `split`.
        on_epoch: called after each epoch with its number from 1; False ends the training.
        live: notes now and then how far it is.
        held: modules of the model that stay in evaluation mode.
    """
    order = torch.Generator().manual_seed(seed)
    steps = steps_per_epoch(len(split), batch_size)
    history = History(torch.empty(0), steps)
    losses: list[Tensor] = []  # stacked once an epoch: nothing waits for a number within a step
    best: dict[str, Tensor] = {}
    lowest = math.inf
    examples = BestEpochs(0 if validation is None else len(validation))
    for epoch in range(1, epochs + 1):
        _learn(model, held)
        for index in _batches(torch.randperm(len(split), generator=order).to(split.device), batch_size):
            inputs, targets = split.batch(index, augment)
            optimizer.zero_grad()
            inputs, cost = _mixed(objective, inputs, targets, mix)
            outputs = model(inputs)
            loss = lesson(cost(outputs), outputs, inputs, index)
            loss.backward() if backward is None else backward(loss)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            losses.append(loss.detach())
            if live is not None:
                live.after_step(losses[-1])
        history.train_loss = torch.cat([history.train_loss, torch.stack(losses).float().cpu()])
        losses.clear()
        history.diverged = not bool(history.train_loss[-steps:].isfinite().all())
        if validation is not None:
            evaluation = evaluate(model, objective, validation)
            if epoch == 1 or evaluation.loss < lowest:
                history.best_epoch = epoch
                lowest = evaluation.loss if math.isfinite(evaluation.loss) else math.inf
                best = {name: value.clone() for name, value in model.state_dict().items()} if keep_best else {}
            history.validation_loss.append(evaluation.loss)
            history.validation_metric.append(evaluation.metric)
            examples.after_epoch(evaluation.losses, evaluation.scores.float())
            if live is not None:
                live.after_epoch(evaluation.loss, evaluation.metric)
        if history.diverged or (on_epoch is not None and not on_epoch(epoch, history)):
            break
    if best:
        model.load_state_dict(best)
    history.end_losses, history.end_scores = examples.end_losses, examples.end_scores
    history.best_losses, history.best_scores = examples.best_losses, examples.best_scores
    return history


def _mixed(
    objective: Objective, inputs: Tensor, targets: Tensor, mix: Mix | None
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The inputs as the net gets them, and what its outputs cost: of mixed ones both targets, each by its share."""
    if mix is None:
        return inputs, lambda outputs: objective(outputs, targets)
    mixed, partner, own = mix(inputs)
    return mixed, lambda outputs: own * objective(outputs, targets) + (1 - own) * objective(outputs, targets[partner])


def steps_per_epoch(count: int, batch_size: int) -> int:
    """The batches that `count` examples make."""
    return len(_batches(torch.arange(count), batch_size))


def _learn(model: nn.Module, held: Sequence[nn.Module]) -> None:
    model.train()
    for module in held:
        module.eval()


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """`order` (N,) in parts of `size`; one example left over joins the part before, for batch statistics need two."""
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
