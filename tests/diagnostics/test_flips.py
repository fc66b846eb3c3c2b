"""Do labels survive mirroring: those of digits do not, those of images that look either way do."""

import math

import pytest
import torch
from torch import Tensor

from recipe.diagnostics.flips import Mirrored, mirrored
from recipe.models import Cnn, Mlp
from recipe.training.cross_validation import cross_validated
from recipe.training.experiment import Experiment, make_experiment

Data = tuple[Tensor, Tensor]


def ask(exp: Experiment, dimension: int = 3) -> Mirrored | None:
    return mirrored(exp, dimension, examples=1000, steps=200, max_cost=0.1)


@pytest.mark.parametrize("dimension", [2, 3])
def test_digits_do_not_survive_either_flip_and_the_classes_are_named(digits_cnn: Experiment, dimension: int) -> None:
    found = ask(digits_cnn, dimension)
    assert found is not None and found.low > 0.4 and not found.keeps_labels(0.1)
    assert {3, 6, 7} & set(found.changed) and not {0, 8} & set(found.changed)


def test_images_that_look_either_way_survive_the_flip_they_are_taken_in_and_no_other(digits: Data) -> None:
    images, labels = digits
    either = torch.where((torch.arange(len(images)) % 2 == 0).view(-1, 1, 1, 1), images, images.flip(3))
    exp = make_experiment(Cnn, (either[:1000], labels[:1000]), (either[1000:], labels[1000:]), epochs=1)
    across, down = ask(exp, 3), ask(exp, 2)
    assert across is not None and across.keeps_labels(0.1)
    assert down is not None and not down.keeps_labels(0.1)


def test_a_quantity_that_has_nothing_to_do_with_the_side_survives(digits: Data) -> None:
    images, _ = digits
    ink = images.mean((1, 2, 3)).unsqueeze(1)
    side = (images[:, :, :, :4] - images[:, :, :, 4:]).mean((1, 2, 3)).unsqueeze(1)
    for targets, survives in ((ink, True), (side, False)):
        targets = (targets - targets.mean()) / targets.std()
        exp = make_experiment(Cnn, (images[:1000], targets[:1000]), (images[1000:], targets[1000:]), epochs=1)
        found = ask(exp)
        assert found is not None and found.keeps_labels(0.1) == survives


def test_labels_that_nothing_can_be_learnt_of_tell_nothing(digits: Data) -> None:
    images, labels = digits
    drawn = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    found = ask(make_experiment(Cnn, (images[:1000], drawn[:1000]), (images[1000:], drawn[1000:]), epochs=1))
    assert found is not None and math.isnan(found.cost) and not found.keeps_labels(0.1)


def test_rows_cannot_be_mirrored(diabetes: Data) -> None:
    assert ask(make_experiment(Mlp, diabetes, diabetes)) is None


def test_in_folds_the_first_of_them_is_asked(digits_cnn: Experiment) -> None:
    found = ask(cross_validated(digits_cnn, 3))
    assert found is not None and found.low > 0.4
