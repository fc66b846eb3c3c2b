"""A process of ours that trains does not wait for torch's compiler, and has the same bits."""

import subprocess
import sys

import pytest

from tests.workspaces import ROOT, environment

TRAIN = """
import sys, torch
from recipe.training.compiler import COMPILER, leave_compiler_out

def trained(optimizer, **settings):
    torch.manual_seed(0)
    net = torch.nn.Linear(5, 3)
    made = optimizer(net.parameters(), lr=0.01, **settings)
    for _ in range(20):
        made.zero_grad()
        net(torch.randn(4, 5)).square().mean().backward()
        made.step()
    made.load_state_dict(made.state_dict())
    return net.weight.detach().clone()

def all_trained():
    settings = {"Adam": {"fused": True}, "SGD": {"momentum": 0.9}, "AdamW": {}, "RMSprop": {}}
    return [trained(getattr(torch.optim, name), **given) for name, given in settings.items()]
"""


# One process for each way to begin, since torch takes seconds to import; each line of its output proves one sentence.
LEFT_OUT = """
leave_compiler_out()

def moved(net, made, *closure):
    before = net.weight.detach().clone()
    net(torch.ones(2, 5)).square().mean().backward()
    made.step(*closure)
    return bool((net.weight != before).any())

without = all_trained()
print("imported", COMPILER in sys.modules)

for name in ("LBFGS", "Adafactor"):
    net = torch.nn.Linear(5, 3)
    made = getattr(torch.optim, name)(net.parameters(), lr=0.1)
    def closure():
        made.zero_grad()
        loss = net(torch.ones(4, 5)).square().mean()
        loss.backward()
        return loss
    print(name, moved(net, made, closure), COMPILER in sys.modules)

net = torch.compile(torch.nn.Linear(5, 3), backend="eager")
print("compiled", moved(net, torch.optim.Adam(net.parameters())), COMPILER in sys.modules)
print("same bits", all(map(torch.equal, without, all_trained())))
"""


def printed(code: str) -> list[str]:
    command = [sys.executable, "-c", TRAIN + code]
    done = subprocess.run(command, env=environment(ROOT), capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def left_out() -> list[str]:
    return printed(LEFT_OUT)


def test_an_optimizer_of_torch_imports_the_compiler_only_where_it_is_not_left_out(left_out: list[str]) -> None:
    assert "imported False" in left_out
    assert printed("trained(torch.optim.SGD)\nprint('imported', COMPILER in sys.modules)") == ["imported True"]


def test_the_bits_are_the_same_with_the_compiler_and_without(left_out: list[str]) -> None:
    assert "same bits True" in left_out


def test_a_net_that_is_compiled_still_trains(left_out: list[str]) -> None:
    assert "compiled True True" in left_out


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor"])
def test_an_optimizer_that_asks_for_no_gradient_in_another_way_works_as_before(left_out: list[str], name: str) -> None:
    assert f"{name} True False" in left_out
