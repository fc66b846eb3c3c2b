"""Files of weights, of every kind and of unknown origin; nothing in them is run."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from recipe.errors import SettingsError
from recipe.inference.export import Ensemble, write_program
from recipe.models import Cnn, Linear, Mlp, ResNet, head_of
from recipe.training.experiment import make_experiment
from recipe.training.transfer import fits, load_weights
from recipe.training.weights import Weights, WeightsError, read_weights


@pytest.fixture
def net() -> Mlp:
    torch.manual_seed(0)
    return Mlp((1, 8, 8), 10)


def same(weights: Weights, net: nn.Module, prefix: str = "") -> bool:
    state = net.state_dict()
    return weights.state.keys() == {prefix + name for name in state} and all(
        torch.equal(value, weights.state[prefix + name]) for name, value in state.items()
    )


def test_safetensors_and_checkpoints_in_their_forms_are_read(net: Mlp, tmp_path: Path) -> None:
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    assert same(read_weights(tmp_path / "net.safetensors"), net)
    for number, content in enumerate(
        [
            net.state_dict(),
            {"state_dict": net.state_dict(), "epoch": 3},
            {"model": net.state_dict(), "optimizer": {"lr": 0.1}},
            {f"_orig_mod.{name}": value for name, value in net.state_dict().items()},
        ]
    ):
        torch.save(content, tmp_path / f"{number}.pt")
        assert same(read_weights(tmp_path / f"{number}.pt"), net)


@pytest.mark.parametrize("prefix", ["module.", "module._orig_mod.", "model.", "net.module."])
def test_what_wraps_a_model_is_left_out_of_its_names(net: Mlp, prefix: str) -> None:
    state = {prefix + name: value for name, value in net.state_dict().items()}
    other = Mlp((1, 8, 8), 10)
    found = fits(other, weights := Weights("wrapped", "", state), 10)
    assert all(one.loaded for one in found)
    load_weights(other, weights, found)
    assert torch.equal(other.state_dict()["body.0.0.weight"], net.state_dict()["body.0.0.weight"])


def test_a_part_of_the_models_own_names_is_not_left_out(net: Mlp) -> None:
    class Wrapping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = Mlp((1, 8, 8), 10)

    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    assert all(one.loaded for one in fits(Wrapping(), Weights("own", "", state), 10))


def test_an_exported_ensemble_gives_its_first_member(tmp_path: Path) -> None:
    members = [ResNet((1, 8, 8), 5, width=4, blocks=[1]).eval() for _ in range(2)]
    ensemble = Ensemble(members, None, {"task": "classification"}, 1.0).eval()
    assert same(read_weights(write_program(ensemble, torch.rand(2, 1, 8, 8), tmp_path)), members[0])


def test_another_content_has_another_digest(net: Mlp, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "net.pt")
    before = read_weights(tmp_path / "net.pt").digest
    torch.save(Mlp((1, 8, 8), 10).state_dict(), tmp_path / "net.pt")
    assert read_weights(tmp_path / "net.pt").digest != before


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("suffix", ["pt", "bin", "ckpt"])
def test_a_checkpoint_with_code_in_it_is_refused_in_one_sentence_and_the_code_is_not_run(
    tmp_path: Path, suffix: str
) -> None:
    ran = tmp_path / "ran"
    zipped, plain = tmp_path / f"zipped.{suffix}", tmp_path / f"plain.{suffix}"
    torch.save({"state_dict": Hostile(ran)}, zipped)
    plain.write_bytes(pickle.dumps(Hostile(ran)))
    for path in (zipped, plain):
        with pytest.raises(WeightsError, match=r"not run: save the state_dict\(\) alone\.$") as refused:
            read_weights(path)
        assert "\n" not in str(refused.value)
    assert not ran.exists()


def test_a_program_with_a_pickle_for_a_tensor_is_refused_and_the_pickle_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = write_program(
        Ensemble([Linear((4,), 2)], None, {"task": "classification"}, 1.0).eval(), torch.rand(2, 4), tmp_path
    )
    forged = tmp_path / "forged.pt2"
    with zipfile.ZipFile(program) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("model_weights_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true')
            if name.endswith("weight_0"):
                pickled = io.BytesIO()
                torch.save(Hostile(ran), pickled)
                content = pickled.getvalue()
            target.writestr(name, content)
    with pytest.raises(WeightsError, match="pickled or compressed"):
        read_weights(forged)
    assert not ran.exists()


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pt", "broken.pt2"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04", b"\xff" * 100])
def test_a_broken_file_is_one_sentence_with_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"pretrained={name} cannot be read") as refused:
        read_weights(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_file_cut_short_is_told(net: Mlp, tmp_path: Path) -> None:
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    torch.save(net.state_dict(), tmp_path / "net.pt")
    for name in ("net.safetensors", "net.pt"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1000])
        with pytest.raises(WeightsError, match="cannot be read"):
            read_weights(tmp_path / name)


def test_what_holds_no_weights_or_is_not_there_is_told(net: Mlp, tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        read_weights(tmp_path / "empty.pt")
    with pytest.raises(WeightsError, match="is not there"):
        read_weights(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="is a folder"):
        read_weights(tmp_path)


def test_weights_of_a_training_that_diverged_are_refused(net: Mlp, tmp_path: Path) -> None:
    with torch.no_grad():
        net.head.weight[0, 0] = torch.nan
    torch.save(net.state_dict(), tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r"not finite in 'head\.weight'"):
        read_weights(tmp_path / "net.pt")


def test_weights_of_half_precision_and_of_eight_bits_are_read(net: Mlp, tmp_path: Path) -> None:
    for number, dtype in enumerate((torch.bfloat16, torch.float16, torch.float8_e4m3fn)):
        save_file(
            {name: value.to(dtype) for name, value in net.state_dict().items()}, tmp_path / f"{number}.safetensors"
        )
        weights = read_weights(tmp_path / f"{number}.safetensors")
        other = Mlp((1, 8, 8), 10)
        load_weights(other, weights, fits(other, weights, 10))
        assert torch.allclose(other.head.weight, net.head.weight, atol=0.01)


def test_a_name_that_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    torch.save({"head.\x1b[2Jweight": torch.ones(1)}, tmp_path / "net.pt")
    assert list(read_weights(tmp_path / "net.pt").state) == [r"head.\x1b[2Jweight"]


def test_a_training_whose_weights_are_not_at_hand_is_an_error_that_names_them(digits: Any, net: Mlp) -> None:
    exp = make_experiment(Mlp, digits, digits)
    with pytest.raises(SettingsError, match="pretrained=null"):
        exp.new_model(training=exp.training.having(weights="0123"))


def test_the_head_is_the_last_dense_layer_of_as_many_outputs_or_else_the_last_that_learns() -> None:
    assert head_of(Cnn((1, 8, 8), 10), 10) == "head"
    assert head_of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 10, 1), nn.Flatten()), 10) == "2"
    assert head_of(nn.Sequential(nn.Linear(4, 2, bias=False)), 2) == "0"
