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


def printed(code: str) -> str:
    command = [sys.executable, "-c", TRAIN + code]
    return subprocess.run(command, env=environment(ROOT), capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("before", "imported"), [("", "True"), ("leave_compiler_out()", "False")])
def test_an_optimizer_of_torch_imports_the_compiler_only_where_it_is_not_left_out(before: str, imported: str) -> None:
    assert printed(f"{before}\nall_trained()\nprint(COMPILER in sys.modules)") == imported


def test_the_bits_are_the_same_with_the_compiler_and_without() -> None:
    code = """
leave_compiler_out()
without = all_trained()
import torch._dynamo
print(all(map(torch.equal, without, all_trained())))
"""
    assert printed(code) == "True"


def test_a_net_that_is_compiled_still_trains() -> None:
    code = """
leave_compiler_out()
net = torch.compile(torch.nn.Linear(5, 3), backend="eager")
made = torch.optim.Adam(net.parameters())
before = net.weight.detach().clone()
net(torch.ones(2, 5)).sum().backward()
made.step()
print(COMPILER in sys.modules, bool((net.weight != before).any()))
"""
    assert printed(code) == "True True"


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor"])
def test_an_optimizer_that_asks_for_no_gradient_in_another_way_works_as_before(name: str) -> None:
    code = f"""
leave_compiler_out()
net = torch.nn.Linear(5, 3)
made = torch.optim.{name}(net.parameters(), lr=0.1)
before = net.weight.detach().clone()
def closure():
    made.zero_grad()
    loss = net(torch.ones(4, 5)).square().mean()
    loss.backward()
    return loss
made.step(closure)
print(bool((net.weight != before).any()))
"""
    assert printed(code) == "True"
