"""A training travels between stages as plain JSON, and ends by its own target."""

import json

import pytest

from recipe.errors import SettingsError, TargetError
from recipe.training.components import Component
from recipe.training.experiment import ADAM, Experiment, Training, training_from_json, training_to_json
from recipe.training.fit import fit

MODEL = Component("model", "recipe.models.Mlp", {"width": 8})


def test_a_training_comes_back_from_json_as_it_was() -> None:
    noise = Component("augment", "recipe.augmentation.GaussianNoise", {"std": 0.2})
    training = Training(MODEL, ADAM.having(lr=1e-3), noise, epochs=7, share=0.5, keep_best=True, until=0.1)
    again = training_from_json(json.loads(json.dumps(training_to_json(training))))
    assert again == training
    assert again.parameters() == training.parameters()


def test_a_model_given_as_an_object_cannot_be_written_down_and_says_what_to_do(digits_cnn: Experiment) -> None:
    with pytest.raises(TargetError, match="_target_"):
        training_to_json(digits_cnn.training)


def test_a_training_of_another_version_is_refused_by_name() -> None:
    content = training_to_json(Training(MODEL, ADAM))
    with pytest.raises(SettingsError, match="warmth"):
        training_from_json({**content, "warmth": 1})


def test_a_training_ends_with_the_epoch_that_reaches_its_target(digits_cnn: Experiment) -> None:
    run = fit(digits_cnn, digits_cnn.training.having(epochs=40, until=1.0))
    losses = run.history.epoch_loss()
    assert run.history.epochs < 40
    assert losses[-1] <= 1.0 < losses[-2]
