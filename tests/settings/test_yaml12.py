"""Numbers with an exponent are numbers, as DVC and Hydra write them."""

from pathlib import Path

import pytest
import yaml

from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.settings.yaml12 import read_yaml
from recipe.versioning.freshness import is_current
from tests.workspaces import ROOT


@pytest.mark.parametrize("text", ["1e-05", "1.0e-05", "1E-5", "+1e-5", ".1e-4", "0.00001"])
def test_a_small_number_is_read_however_it_is_written(text: str) -> None:
    assert read_yaml(f"lr: {text}") == {"lr": 1e-05}


@pytest.mark.parametrize("text", ["e5", "1e", "one", "1e-5 s", "true", "2026-11-25"])
def test_a_word_is_none(text: str) -> None:
    assert read_yaml(f"lr: {text}") == yaml.safe_load(f"lr: {text}")


def test_a_stage_whose_rate_dvc_wrote_in_its_own_way_is_not_stale(tmp_path: Path) -> None:
    compose_params(ROOT, ["data=digits", "optimizer.lr=1e-5"], out=tmp_path)
    assert load_settings(tmp_path).optimizer.settings["lr"] == 1e-05
    recorded = read_yaml("params.yaml: {optimizer.lr: 1e-05}")
    lock = {"baseline": {"deps": [], "params": recorded, "outs": [{"path": "reports/baseline"}]}}
    assert is_current(tmp_path, lock, "baseline", measured=True)
