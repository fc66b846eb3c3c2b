"""A `_target_` that does not work is answered in one sentence that names the nearest thing that would."""

import pytest

from recipe.errors import TargetError
from recipe.training.components import Component


@pytest.mark.parametrize(
    ("call", "settings", "words"),
    [
        ("Cnn", {}, "is not a dotted name"),
        ("nothing_here.Net", {}, "cannot import 'nothing_here'"),
        ("recipe.models.Cn", {}, "did you mean 'recipe.models.Cnn'"),
        ("recipe.models.Mlp", {"widht": 3}, "did you mean 'width'"),
        ("recipe.models.Mlp", {"width": "wide"}, "could not be built"),
    ],
)
def test_a_wrong_target_is_one_sentence_that_says_what_and_where(call: str, settings: dict, words: str) -> None:
    with pytest.raises(TargetError, match=words) as caught:
        Component("model", call, settings).build(input_shape=(4,), n_outputs=2)
    assert "\n" not in str(caught.value)


def test_what_is_offered_reaches_only_a_signature_that_names_it() -> None:
    def named(n_outputs: int) -> int:
        return n_outputs

    def anything(**given: int) -> dict[str, int]:
        return given

    assert Component("model", named).build(input_shape=1, n_outputs=2) == 2
    assert Component("model", anything).build(input_shape=1, n_outputs=2) == {"input_shape": 1, "n_outputs": 2}


def test_a_function_gets_its_settings_and_a_class_is_built() -> None:
    scaled = Component("augment", lambda batch, factor: batch * factor, {"factor": 3}).as_function()
    noise = Component("augment", "recipe.augmentation.GaussianNoise", {"std": 0.0}).as_function()
    assert scaled(2) == 6
    assert noise.std == 0.0
