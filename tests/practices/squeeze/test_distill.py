"""One student answers as the ensemble does, and a student that keeps nothing is not passed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recipe.executors.parcel import fit_parcel, pack, pack_training
from recipe.models import Cnn, Mlp
from recipe.practices.squeeze.distill import distill
from recipe.practices.squeeze.final_test import final_test
from recipe.training.components import Component
from recipe.training.distillation import EnsembleTeacher, student_training, train_student
from recipe.training.ensemble import average, train_members
from recipe.training.experiment import Budget, Experiment, HeldOut, make_experiment
from recipe.training.fit import Trained, fit
from recipe.training.split import Split
from tests.faults.models import IgnoresInput

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})
AFFINE = Component("augment", "recipe.augmentation.RandomAffine")


@pytest.fixture
def experiment(digits: tuple[Tensor, Tensor]) -> Experiment:
    """Few digits, on which one net falls well short of three; with a test split."""
    images, labels = digits
    made = make_experiment(Cnn, (images[:300], labels[:300]), (images[1000:], labels[1000:]), optimizer=FAST, epochs=40)
    test = HeldOut(lambda reader: Split(images[300:1000], labels[300:1000]))
    return replace(made, budget=Budget(members=3), test=test)


def short(experiment: Experiment, **changes: object) -> Experiment:
    """The same with members of two epochs."""
    return experiment.variant("short", training=experiment.training.having(epochs=1, **changes))


def taught(experiment: Experiment) -> tuple[Experiment, list[Trained]]:
    """The experiment of a student, at the settings' temperature, and the members that teach it."""
    members, settings = train_members(experiment), experiment.stages.squeeze.distill
    teacher = EnsembleTeacher(tuple(members), settings.temperature, settings.hard_weight)
    return experiment.variant("taught", teacher=teacher), members


def test_a_student_keeps_much_of_what_the_ensemble_gains(experiment: Experiment) -> None:
    finding = experiment.examine(distill)
    assert finding.verdict == "pass"
    assert finding.measured is not None and finding.interval is not None
    assert 0 < finding.interval[0] < finding.measured < finding.interval[1]
    assert "22,602 weights, the ensemble 67,806" in finding.summary


def test_speed_is_told_apart_from_what_equal_runs_have_in_common(experiment: Experiment) -> None:
    finding = short(experiment).examine(distill)
    assert "examples a second" in finding.timed
    assert "examples a second" not in finding.summary


@pytest.mark.fault(
    "squeeze/distill",
    "warn: a student that keeps nothing of the ensemble's gain, such as one trained for too short to learn to imitate",
)
def test_a_student_that_is_trained_for_too_short_is_warned_of(experiment: Experiment) -> None:
    hurried = experiment.variant("hurried", training=experiment.training.having(epochs=8))
    finding = hurried.examine(distill)
    assert finding.verdict == "warn"
    assert finding.measured is not None and finding.measured < 0
    assert "raise budget.epochs" in finding.advice


def test_an_ensemble_without_a_gain_leaves_nothing_to_keep_and_no_share_is_told(experiment: Experiment) -> None:
    still = Component("optimizer", "torch.optim.SGD", {"lr": 0.0})
    same = short(experiment, model=Component("model", IgnoresInput), optimizer=still)
    finding = same.examine(distill)
    assert finding.measured is None and finding.interval is None
    assert "no gain to keep" in finding.summary


def test_one_member_has_nobody_to_teach(experiment: Experiment) -> None:
    alone = replace(short(experiment), budget=Budget(members=1))
    assert alone.examine(distill).verdict == "skip"
    [member] = train_members(alone)
    assert train_student(alone, [member]) is member


def test_the_members_are_asked_about_the_very_inputs_that_the_student_gets(experiment: Experiment) -> None:
    student, members = taught(short(experiment, augment=AFFINE))
    assert student.teacher is not None
    lesson = student.teacher.lesson(student, student.train, changed=True)
    index = torch.arange(20)
    inputs, _ = student.train.batch(index, student.new_augment(student.training))
    answers = torch.stack([member.model(student)(inputs) for member in members]).detach()
    outputs = torch.randn(20, 10)
    soft = -(average(answers, "classification", 4.0).exp() * (outputs / 4).log_softmax(1)).sum(1).mean() * 16
    assert torch.allclose(lesson(torch.tensor(3.0), outputs, inputs, index), 0.5 * 3.0 + 0.5 * soft, atol=1e-5)


def test_answers_known_by_heart_are_those_that_the_members_would_give(experiment: Experiment) -> None:
    student, _ = taught(short(experiment))
    assert student.teacher is not None
    known, asked = (student.teacher.lesson(student, student.train, changed) for changed in (False, True))
    index = torch.randperm(len(student.train))[:30]
    inputs, outputs = student.train.inputs[index], torch.randn(30, 10)
    loss = torch.tensor(1.0)
    assert known.answers is not None and asked.answers is None
    assert torch.allclose(known(loss, outputs, inputs, index), asked(loss, outputs, inputs, index), atol=1e-5)


@pytest.mark.parametrize("kind", ["given as log-probabilities", "of a margin"])
def test_members_of_any_loss_of_classes_can_be_distilled(digits: tuple[Tensor, Tensor], kind: str) -> None:
    images, labels = digits
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "given as log-probabilities": functional.nll_loss,
        "of a margin": functional.multi_margin_loss,
    }
    model = LogCnn if "log" in kind else Cnn
    made = make_experiment(
        model, (images[:300], labels[:300]), (images[300:900], labels[300:900]), loss=losses[kind], optimizer=FAST
    )
    finding = replace(made, budget=Budget(members=2)).examine(distill)
    metric = float(finding.summary.partition("accuracy ")[2].split(", ")[1].partition(" ")[0])
    assert metric > 0.8


class LogCnn(Cnn):
    """Gives log-probabilities."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).log_softmax(1)


def test_a_regression_is_taught_the_mean_outputs(diabetes: tuple[Tensor, Tensor]) -> None:
    rows, targets = diabetes
    made = make_experiment(Mlp, (rows[:250], targets[:250]), (rows[250:], targets[250:]), optimizer=FAST, epochs=5)
    student, members = taught(replace(made, budget=Budget(members=2)))
    assert student.teacher is not None
    lesson = student.teacher.lesson(student, student.train, changed=False)
    answers = torch.stack([member.model(student)(rows[:250]) for member in members]).mean(0)
    assert lesson.answers is not None and torch.allclose(lesson.answers, answers, atol=1e-6)
    assert replace(made, budget=Budget(members=2)).examine(distill).verdict in ("pass", "warn")


def test_a_worker_elsewhere_gives_the_same_student(experiment: Experiment) -> None:
    student, _ = taught(short(experiment, augment=AFFINE))
    training = student_training(student)
    here, there = fit(student, training), fit_parcel(pack(student), pack_training(training))
    assert torch.equal(here.outputs, there.outputs)


def test_a_student_of_other_members_is_another_training(experiment: Experiment) -> None:
    members = train_members(short(experiment))
    first, second = (train_student(short(experiment), some) for some in (members[:2], members[1:]))
    assert not torch.equal(first.outputs, second.outputs)


def test_validation_labels_do_not_teach_the_student(experiment: Experiment) -> None:
    student, _ = taught(short(experiment))
    validation = student.validation
    other = student.variant("other labels", validation=replace(validation, targets=(validation.targets + 1) % 10))
    to_the_end = student_training(student).having(keep_best=False)
    assert torch.equal(fit(student, to_the_end).outputs, fit(other, to_the_end).outputs)


def test_the_student_stands_beside_the_others_on_the_test_set_and_is_no_baseline(experiment: Experiment) -> None:
    better = experiment.training.having(epochs=11, batch_size=16)
    finding = experiment.variant("better", training=better).examine(final_test)
    table = finding.table.set_index("predictor")
    assert list(table.index) == ["ensemble of 3", "single net", "student", "linear", "input-independent"]
    assert table["figure"]["student"] > table["figure"]["linear"]
    assert finding.expected == f"above {table['figure']['linear']:.4f}, beyond chance"
