"""What overfit leaves to regularize: a training, and steps enough to see the validation loss turn."""

import json

import pytest

from recipe.errors import SettingsError
from recipe.training.components import Component
from recipe.training.experiment import ADAM, Training
from recipe.training.handover import Memorised, memorised_from_json, memorised_to_json, past_memorising

TRAINING = Training(Component("model", "recipe.models.Mlp", {"width": 32}), ADAM, epochs=5, batch_size=10)


@pytest.mark.parametrize("steps", [None, 480])
def test_what_memorised_is_read_as_it_was_written(steps: int | None) -> None:
    found = Memorised(TRAINING, steps)
    assert memorised_from_json(json.loads(json.dumps(memorised_to_json(found)))) == found


def test_a_file_that_lacks_a_setting_is_refused_and_says_what_to_do() -> None:
    content = memorised_to_json(Memorised(TRAINING, 480))
    del content["batch_size"]
    with pytest.raises(SettingsError, match="run the stage that chose it again"):
        memorised_from_json(content)


@pytest.mark.parametrize(
    ("steps", "most", "epochs"),
    [
        (100, 1000, 25),  # 2.5 times as many steps as memorising took, of 10 an epoch
        (100, 120, 12),  # no more than the budget allows
        (100, 10, 5),  # but no fewer than the training has by itself
        (4, 1000, 5),
        (None, 1000, 5),  # nothing memorised: as it is
    ],
)
def test_the_control_is_trained_past_what_memorising_took(steps: int | None, most: int, epochs: int) -> None:
    assert past_memorising(Memorised(TRAINING, steps), 100, 2.5, most).epochs == epochs
