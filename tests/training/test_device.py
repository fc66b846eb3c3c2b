"""Devices: which one is taken, how several are shared, and how the user's parts get there."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipe.errors import SettingsError
from recipe.training.device import Device, choose_device, on_any_device
from tests.workspaces import ROOT

CLAIMING = """
import sys, time
from recipe.training.device import _claimed_place
print(_claimed_place(int(sys.argv[1]), int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


class Weighted(nn.Module):
    """Cross-entropy with class weights in a buffer."""

    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.linspace(0.5, 1.5, 10))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets, self.weights)


class Centred:
    """Subtracts a mean that is an attribute and no buffer."""

    def __init__(self) -> None:
        self.mean = torch.tensor([0.5])

    def __call__(self, batch: Tensor) -> Tensor:
        return batch - self.mean


def test_a_part_without_tensors_is_left_as_it_is() -> None:
    assert on_any_device(functional.cross_entropy) is functional.cross_entropy
    loss = nn.HuberLoss(delta=0.5)
    assert on_any_device(loss) is loss


@pytest.mark.parametrize("part", [Weighted(), Centred()], ids=["a buffer", "an attribute"])
def test_a_part_that_holds_tensors_meets_each_batch_on_its_own_device(part: object) -> None:
    """The meta device refuses to meet the CPU, as an accelerator does."""
    call = on_any_device(part)  # type: ignore[arg-type]
    batch, more = torch.rand(4, 10), ([torch.tensor([0, 1, 2, 3])] if isinstance(part, nn.Module) else [])
    here = call(batch, *more)
    with pytest.raises(RuntimeError, match=r"device|meta"):
        part(batch.to("meta"), *(one.to("meta") for one in more))  # type: ignore[operator]
    assert call(batch.to("meta"), *(one.to("meta") for one in more)).device.type == "meta"
    assert torch.equal(call(batch, *more), here)


def test_the_part_itself_serves_the_device_that_its_tensors_are_on() -> None:
    part = Centred()
    call = on_any_device(part)
    part.mean = torch.tensor([0.25])
    assert torch.equal(call(torch.ones(1)), torch.tensor([0.75]))


def test_without_an_accelerator_auto_is_the_cpu() -> None:
    assert choose_device("auto", "32-true") == Device("cpu")


@pytest.mark.parametrize(
    ("name", "precision", "words"),
    [
        ("cuda", "32-true", "device=cuda asks for a device that is not here"),
        ("cuda:3", "32-true", "device=cuda:3 asks for a device that is not here"),
        ("cpu", "16-mixed", "precision=16-mixed does not go with the device cpu: use 32-true or bf16-mixed or"),
    ],
)
def test_what_is_not_here_is_refused_in_one_sentence(name: str, precision: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        choose_device(name, precision)
    assert "\n" not in str(caught.value)


def test_numbers_below_their_types_exponent_count_as_nothing_in_a_process_that_trains() -> None:
    least = torch.full((8,), torch.finfo(torch.float32).tiny)
    torch.set_flush_denormal(False)  # as a process begins
    assert bool((least / 2 > 0).all())
    Device().settle()
    assert bool((least / 2 == 0).all())


def test_workers_side_by_side_take_different_places_and_one_that_ends_lets_go_of_its_own() -> None:
    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CLAIMING, "123456789", "2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def place(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    first, second = started(), started()
    try:
        assert {place(first), place(second)} == {"0", "1"}
        first.kill()
        first.wait()
        third = started()
        assert place(third) in ("0", "1")
        third.kill()
        third.wait()
    finally:
        second.kill()
        second.wait()


def test_workers_are_spread_over_the_devices_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 4)
    assert Device("cuda").count == 4
    assert Device("cuda:1").count == Device("cpu").count == 1
    assert Device("cuda:1").claimed(8) == Device("cuda:1")
    places = [Device(f"cuda:{place}", "bf16-mixed") for place in range(4)]
    assert Device("cuda", "bf16-mixed").claimed(4) in places  # which is this process's for as long as it lives


def test_the_engine_of_a_process_claims_one_device_however_often_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert Device("cuda").claimed(2) == Device("cuda").claimed(2)
