"""What squeeze trains side by side once the members are known is what its later practices ask for, and no less."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from recipe.error_budget.nets import larger_training
from recipe.models import Mlp
from recipe.practices.squeeze.distill import distill
from recipe.practices.squeeze.ensemble import ensemble
from recipe.practices.squeeze.error_budget import error_budget
from recipe.training.components import Component
from recipe.training.distillation import student_due
from recipe.training.ensemble import train_members
from recipe.training.experiment import Budget, Experiment, HeldOut, Training, make_experiment
from recipe.training.fit import ASKED_BY, Shelf, Trained, Wanted, one_after_another
from recipe.training.split import Split
from tasks.squeeze import with_the_rest_trained

FAST = Component("optimizer", "torch.optim.Adam", {"lr": 3e-3, "fused": True})


def noting(asked: list[list[Training]], digits: tuple[Tensor, Tensor]) -> Experiment:
    """Digits with two members and a test split, whose trainings are noted, batch by batch."""

    def executor(wanted: Sequence[Wanted]) -> Iterator[tuple[int, Trained]]:
        asked.append([training for _, training in wanted])
        return one_after_another(wanted)

    images, labels = digits
    made = make_experiment(
        Mlp, (images[:600], labels[:600]), (images[600:900], labels[600:900]), optimizer=FAST, epochs=2
    )
    test = HeldOut(lambda reader: Split(images[900:], labels[900:]))
    return replace(made, budget=Budget(members=2), executor=executor, test=test)


def nets(asked: list[list[Training]]) -> int:
    """How many nets were trained that are no baselines."""
    return sum(one.model.name == "recipe.models.Mlp" for batch in asked for one in batch)


def test_after_it_no_practice_trains_a_net(digits: tuple[Tensor, Tensor]) -> None:
    asked: list[list[Training]] = []
    experiment = with_the_rest_trained(noting(asked, digits))
    trained = nets(asked)
    assert trained > 2
    for one in (ensemble, distill, error_budget):
        assert experiment.examine(one).verdict != "skip"
    assert nets(asked) == trained


def test_the_student_has_the_nets_of_the_error_budget_beside_it(digits: tuple[Tensor, Tensor]) -> None:
    asked: list[list[Training]] = []
    experiment = with_the_rest_trained(noting(asked, digits))
    members, *rest = asked
    assert len(members) == experiment.budget.members
    assert len(rest) == 1 and len(rest[0]) > 4  # two of each half, and the student


def test_each_net_is_known_by_the_practice_that_it_is_for(digits: tuple[Tensor, Tensor]) -> None:
    experiment = with_the_rest_trained(noting([], digits))
    taught, student = student_due(experiment, train_members(experiment))
    assert ASKED_BY[Shelf(taught).key(student)] == "squeeze/distill"
    larger = larger_training(experiment)
    assert larger is not None and ASKED_BY[Shelf(experiment).key(larger)] == "squeeze/error_budget"


def test_one_member_has_no_student_and_nothing_to_be_tested_no_error_budget(digits: tuple[Tensor, Tensor]) -> None:
    asked: list[list[Training]] = []
    with_the_rest_trained(replace(noting(asked, digits), budget=Budget(members=1), test=None))
    assert nets(asked) == 1
