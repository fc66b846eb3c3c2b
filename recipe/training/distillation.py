"""One student from several trained nets: what it is taught, batch by batch, beside the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.runtime.workspace import fingerprint
from recipe.training.ensemble import average, ensemble_trainings, other_training
from recipe.training.evaluation import EVALUATION_BATCH
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, Wanted, fit_together
from recipe.training.objective import Task
from recipe.training.split import Split


def train_student(experiment: Experiment, members: Sequence[Trained]) -> Trained:
    """One net of the chosen architecture and of a member's length, trained to answer as they do together.

    Where there is one member, that one: a net has nothing to learn from itself.
    """
    if len(members) == 1:
        return members[0]
    [student] = fit_together([student_due(experiment, members)])
    return student


def student_due(experiment: Experiment, members: Sequence[Trained]) -> Wanted:
    """What `train_student` trains where there are several members."""
    return _taught_by(experiment, members), student_training(experiment)


def student_training(experiment: Experiment) -> Training:
    """A member's training from a seed that no member has, nor the net of another architecture."""
    member = ensemble_trainings(experiment)[0]
    return member.having(seed=member.seed + experiment.budget.members + (other_training(experiment) is not None))


def _taught_by(experiment: Experiment, members: Sequence[Trained]) -> Experiment:
    settings = experiment.stages.squeeze.distill
    teacher = EnsembleTeacher(tuple(members), settings.temperature, settings.hard_weight)
    named = fingerprint([[member.training.parameters() for member in members], teacher.temperature, teacher.hard])
    return experiment.variant(f"distilled from {len(members)} nets ({named[:8]})", teacher=teacher)


@dataclass(frozen=True)
class EnsembleTeacher:
    """Trained nets that another is to answer like.

    The loss is `hard` times that of the targets, and the rest the cross-entropy to the members' mean probabilities at a
    `temperature` (Hinton et al. 2015, section 2), or in a regression the squared distance to their mean outputs. What
    comes of a net's softmax is compared, so it does not matter which loss it is trained by.
    """

    members: tuple[Trained, ...]
    temperature: float
    hard: float

    def lesson(self, experiment: Experiment, split: Split, changed: bool) -> Lesson:
        """What a training on `split`, resident, is taught.

        Where an example enters the net the same in every epoch, the members are asked about it once.

        Args:
            changed: whether examples are changed on their way by chance, as by an augmentation.
        """
        nets = [member.model(experiment) for member in self.members]
        lesson = Lesson(nets, experiment.task, self.temperature, self.hard)
        is_always_the_same = not changed and (split.ready is not None or split.transform is None)
        return lesson.learnt_by_heart(split) if is_always_the_same else lesson


@dataclass(frozen=True)
class Lesson:
    """What the loop asks for the loss of a batch: see `EnsembleTeacher`.

    `answers` (N, k) are what is to be answered to each training example, where that is known beforehand; None: the
    nets are asked about the very inputs that the student gets, augmented as they are (Beyer et al. 2022, section 3.1).
    """

    nets: Sequence[nn.Module]
    task: Task
    temperature: float
    hard: float
    answers: Tensor | None = None

    def __call__(self, loss: Tensor, outputs: Tensor, inputs: Tensor, index: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            loss: that of the targets.
            outputs: the student's, (n, k).
            inputs: as the net receives them, (n, ...).
            index: their places among the training examples, (n,).
        """
        due = self.due(inputs) if self.answers is None else self.answers[index]
        return self.hard * loss + (1 - self.hard) * self.distance(outputs, due.to(outputs.dtype))

    def due(self, inputs: Tensor) -> Tensor:
        """What is to be answered: the members' mean probabilities, or their mean outputs, (n, k)."""
        with torch.no_grad():
            joint = average(torch.stack([net(inputs) for net in self.nets]), self.task, self.temperature)
        return joint.exp() if self.task == "classification" else joint

    def distance(self, outputs: Tensor, due: Tensor) -> Tensor:
        """How far `outputs` (n, k) are from what is due, times the temperature squared, which it took of gradients."""
        if self.task == "regression":
            return functional.mse_loss(outputs, due)
        return functional.cross_entropy(outputs / self.temperature, due) * self.temperature**2

    def learnt_by_heart(self, split: Split) -> Lesson:
        """The same with the answers to all of `split`."""
        index = torch.arange(len(split), device=split.device)
        answers = torch.cat([self.due(split.batch(part)[0]) for part in index.split(EVALUATION_BATCH)])
        return Lesson(self.nets, self.task, self.temperature, self.hard, answers)
