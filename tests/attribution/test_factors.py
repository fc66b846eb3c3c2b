"""What differs between the settings of two runs, and one part of them swapped."""

from copy import deepcopy
from functools import cache
from typing import Any

from recipe.attribution.factors import left_out, settings_factors, swapped
from recipe.settings.composition import compose
from recipe.versioning.provenance import model_settings
from tests.workspaces import ROOT

READ = model_settings(ROOT)


@cache
def settings(*overrides: str) -> dict[str, Any]:
    return compose(ROOT, ["data=digits", *overrides])


def test_equal_settings_have_no_factor() -> None:
    assert settings_factors(settings(), settings(), READ) == []
    assert left_out(settings(), settings(), READ) == []


def test_each_part_that_differs_is_a_factor_of_its_own_in_one_order() -> None:
    factor = "stages.squeeze.ensemble.epochs_factor=1"
    b = settings("data.split.seed=3", factor, "optimizer.lr=1", "model=mlp", "seed=4")
    names = [factor.name for factor in settings_factors(settings(), b, READ)]
    assert names == ["model", "optimizer", "data", "stages.squeeze"]


def test_a_factor_is_told_in_a_few_words() -> None:
    one = settings_factors(settings(), settings("optimizer.lr=1e-5"), READ)[0]
    assert (one.before, one.after) == ("lr=0.0003", "lr=1e-05")
    model = settings_factors(settings(), settings("model=mlp"), READ)[0]
    assert model.before == "Cnn, width=16, hidden=128 and 1 more"
    assert model.after == "Mlp, width=64"
    size = settings_factors(settings(), settings("batch_size=64"), READ)[0]
    assert (size.before, size.after) == ("32", "64")
    loss = settings_factors(settings(), settings("loss._target_=torch.nn.NLLLoss"), READ)[0]
    assert (loss.before, loss.after) == ("none", "NLLLoss")


def test_what_changes_no_model_is_no_factor_and_is_named() -> None:
    b = settings(
        "stages.data.imbalance.flag_ratio=3",
        "data.quarantine.max_share=0.5",
        "fanout.workers=1",
        "thresholds.data.duplicates.max_share=1",
    )
    assert settings_factors(settings(), b, READ) == []
    assert sorted(left_out(settings(), b, READ)) == ["data.quarantine.max_share", "stages.data.imbalance.flag_ratio"]


def test_a_part_is_swapped_whole_and_the_rest_stays() -> None:
    a, b = settings(), settings("model=mlp", "optimizer.lr=1")
    before, (factor, _) = deepcopy(a), settings_factors(a, b, READ)
    result = swapped(a, b, factor.settings)
    assert result["model"] == b["model"] and result["optimizer"] == a["optimizer"]
    assert a == before


def test_a_setting_that_one_run_lacks_is_swapped_too() -> None:
    a, b = settings("optimizer.amsgrad=true"), settings()
    (factor,) = settings_factors(a, b, READ)
    assert (factor.before, factor.after) == ("amsgrad=True", "none")
    assert "amsgrad" not in swapped(a, b, factor.settings)["optimizer"]
    assert swapped(b, a, factor.settings)["optimizer"]["amsgrad"] is True
