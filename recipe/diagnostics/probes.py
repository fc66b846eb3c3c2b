"""Small probes of a model: does an example reach another's output, does the input matter, which units are dead."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recipe.training.evaluation import EVALUATION_BATCH
from recipe.training.experiment import Experiment
from recipe.training.split import Split

STIR = 0.02  # of a weight: wakes layers that start at zero (Goyal et al. 2017) and leaves the others about as they are
DEAD = (nn.ReLU, nn.ReLU6, nn.Threshold)  # give exactly zero, and no gradient, where they are off
NOISE = 1e-3  # of the input's spread: float32's rounding, which a norm's division by the root of its eps enlarges
SATURATING = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0), nn.Hardsigmoid: (0.0, 1.0)}


def some(experiment: Experiment, split: Split, count: int) -> Split:
    """`count` random examples of `split`, always the same, on the experiment's device."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
    return split.at(order[:count]).to(experiment.device.torch)


def some_unlike(experiment: Experiment, split: Split, count: int) -> Split:
    """As `some`; but where chance picked equal targets and others are there, each target has its turn."""
    few = some(experiment, split, count)
    if not all_equal(few.targets) or all_equal(split.targets):
        return few
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
    _, kind = split.targets.cpu()[order].unique(dim=0, return_inverse=True)
    by_kind = kind.argsort(stable=True)
    counts = kind.bincount()
    turn = torch.empty_like(kind)
    turn[by_kind] = torch.arange(len(kind)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return split.at(order[turn.argsort(stable=True)[:count]]).to(experiment.device.torch)


def everything(split: Split) -> tuple[Tensor, Tensor]:
    """All of a small split as one batch: inputs (N, ...) as the net receives them, and targets."""
    return split.batch(torch.arange(len(split), device=split.device))


def same_inputs(split: Split) -> Tensor:
    """A number for each example (N,), on the CPU: the same where what the data hold is equal."""
    return _numbered(split, split.untransformed)


def same_for_the_net(split: Split) -> Tensor:
    """A number for each example (N,), on the CPU: the same where what the net receives is equal."""
    return _numbered(split, lambda part: split.batch(part)[0])


def _numbered(split: Split, inputs_at: Callable[[Tensor], Tensor]) -> Tensor:
    numbers: dict[bytes, int] = {}
    found: list[int] = []
    for part in torch.arange(len(split), device=split.device).split(EVALUATION_BATCH):
        for example in (inputs_at(part) + 0).cpu().numpy():  # -0.0 becomes 0.0, which it equals
            found.append(numbers.setdefault(hashlib.sha256(example.tobytes()).digest(), len(numbers)))
    return torch.tensor(found)


def stirred_model(experiment: Experiment) -> nn.Module:
    """A fresh model in evaluation mode, each parameter moved a little, so that no layer hides behind a zero."""
    return stir(experiment.new_model().eval())


@torch.no_grad()
def stir(model: nn.Module) -> nn.Module:
    """`model` itself, each of its parameters moved a little."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter.device, parameter.dtype)
        parameter.add_(STIR * noise)
    return model


def rows(outputs: Tensor, count: int) -> Tensor:
    """Outputs of any shape as one row an example, (N, k)."""
    return outputs.reshape(count, -1)


def gradient_reach(model: nn.Module, inputs: Tensor) -> Tensor | None:
    """How strongly output i depends on input j, (N, N): the gradient's norm; None where no gradient reaches the inputs.

    An output row is summed with random weights, because a plain sum can be constant, as that of a softmax is.

    Raises:
        RuntimeError: autograd refuses, as it does where a part is checkpointed in torch's reentrant form.
    """
    inputs = inputs.detach().clone().requires_grad_()
    outputs = rows(model(inputs), len(inputs))
    if not outputs.requires_grad:
        return None
    weights = torch.randn(outputs.shape[1], generator=torch.Generator().manual_seed(0)).to(outputs)
    reach = []
    for output in outputs @ weights:
        (gradient,) = torch.autograd.grad(output, inputs, retain_graph=True, allow_unused=True, materialize_grads=True)
        reach.append(gradient.flatten(1).norm(dim=1))
    return torch.stack(reach).cpu() if any(bool(row.any()) for row in reach) else None


@torch.no_grad()
def replacement_reach(model: nn.Module, inputs: Tensor) -> Tensor:
    """How much output i changes when input j is replaced by another example, (N, N); 0 where all others equal it."""
    before = rows(model(inputs), len(inputs))
    reach = []
    for j in range(len(inputs)):
        changed = inputs.clone()
        changed[j] = _unlike(inputs, j)
        reach.append((rows(model(changed), len(inputs)) - before).abs().amax(1))
    return torch.stack(reach, 1).cpu()


def _unlike(inputs: Tensor, j: int) -> Tensor:
    """The first example, going back from the one before `j`, that is not equal to it; its own where there is none."""
    before = inputs.roll(-j, 0).flip(0)
    unlike = (before != inputs[j]).flatten(1).any(1)
    return before[int(unlike.int().argmax())]


def all_equal(examples: Tensor) -> bool:
    """Whether none of `examples` (N, ...), inputs or targets, can be told from another."""
    return torch.equal(examples, examples[:1].expand_as(examples))


@torch.no_grad()
def ignores_input(model: nn.Module, inputs: Tensor) -> bool:
    """Whether the outputs stay the same, to the last bit, when the examples change places; equal ones tell nothing."""
    return not all_equal(inputs) and torch.equal(model(inputs), model(inputs.roll(1, 0)))


def is_distribution(outputs: Tensor) -> bool:
    """Whether every row of `outputs` (N, k), k > 1, is non-negative and sums to one: a softmax has been applied."""
    if outputs.dim() != 2 or outputs.shape[1] < 2:
        return False
    return bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0]), atol=1e-4)


def is_log_distribution(outputs: Tensor) -> bool:
    """Whether every row of `outputs` (N, k) holds the logarithms of probabilities that sum to one."""
    return torch.allclose(outputs.logsumexp(1), torch.zeros_like(outputs[:, 0]), atol=1e-4)


def applies_softmax(loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor) -> bool:
    """Whether the loss takes scores, as cross-entropy does: adding the same number to every output changes nothing."""
    return torch.allclose(loss(outputs, targets), loss(outputs + 1, targets), atol=1e-5)


@dataclass(frozen=True)
class Units:
    """A layer's units after its non-linearity: the share that is zero, and the share at a bound, on every example."""

    layer: str
    dead: float
    saturated: float


@torch.no_grad()
def watch_units(model: nn.Module, inputs: Tensor, saturated: float) -> list[Units]:
    """The units behind every non-linearity that is a module, on `inputs` (N, ...); a channel is one unit.

    Args:
        saturated: the part of the way from the middle to a bound beyond which a unit counts as saturated.
    """
    found: list[Units] = []

    def look(name: str, module: nn.Module, _: tuple[object, ...], output: Tensor) -> None:
        found.append(_units(name, module, output, saturated))

    look_at_each(model, inputs, lambda module: type(module) in (*DEAD, *SATURATING), look)
    return found


def look_at_each(
    model: nn.Module, inputs: Tensor, wanted: Callable[[nn.Module], bool], look: Callable[..., None]
) -> None:
    """Run `model` on `inputs`; `look` gets the name of each wanted module, the module, what it is given and gives."""
    handles = [
        module.register_forward_hook(lambda module, given, output, name=name: look(name, module, given, output))
        for name, module in model.named_modules()
        if wanted(module)
    ]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()


def _units(name: str, module: nn.Module, values: Tensor, saturated: float) -> Units:
    if values.dim() > 2:  # (N, C, ...) -> every place of a channel is one more look at the same unit
        values = values.transpose(1, -1).reshape(-1, values.shape[1])
    if type(module) in SATURATING:
        low, high = SATURATING[type(module)]
        extent = (values - (low + high) / 2).abs() / ((high - low) / 2)
        return Units(name, 0.0, (extent > saturated).all(0).float().mean().item())
    return Units(name, (values == 0).all(0).float().mean().item(), 0.0)


@dataclass(frozen=True)
class Constant:
    """The share of a layer's units whose output is the same for every example, though the layer's input is not."""

    layer: str
    share: float


@torch.no_grad()
def constant_units(model: nn.Module, inputs: Tensor) -> list[Constant]:
    """The share of constant units in every layer that gives one tensor (N, ...), on `inputs` (N, ...), worst first.

    As behind a layer norm over one element, which gives its bias whatever comes in. Stir the model first, or a layer
    that starts at zero is one of them. Left out: what only passes on or reshapes what comes in constant, layers that
    are frozen whole, and the non-linearities that `watch_units` looks at.
    """
    found: list[Constant] = []

    def look(name: str, module: nn.Module, given: tuple[object, ...], output: object) -> None:
        first = given[0] if given else None
        if isinstance(first, Tensor) and isinstance(output, Tensor) and len(first) == len(output) == len(inputs):
            found.append(Constant(name, _constant_share(module, first.float(), output.float())))

    look_at_each(model, inputs, _may_be_constant, look)
    return sorted(found, key=lambda one: one.share, reverse=True)


def _may_be_constant(module: nn.Module) -> bool:
    return not any(module.children()) and type(module) not in (*DEAD, *SATURATING) and not _frozen(module)


def _frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _constant_share(module: nn.Module, given: Tensor, output: Tensor) -> float:
    """Of the units along dimension 1 or the last, whichever has fewer: a unit has many places in an image or a text."""
    same_shape = given.shape == output.shape
    if not same_shape and not any(True for _ in module.parameters()):
        return 0.0
    before, after = _spread(given), _spread(output)
    constant = after <= NOISE * before.max()
    could_vary = before > 0 if same_shape else torch.ones_like(constant)
    if not bool(before.max() > 0) or not bool(output.isfinite().all()) or not constant.dim():
        return 0.0
    return min(_share(constant, could_vary, unit) for unit in {0, constant.dim() - 1})


def _share(constant: Tensor, could_vary: Tensor, unit: int) -> float:
    """Of the units along dimension `unit` that could vary at some place, those that are constant at every place."""
    constant, could_vary = (one.movedim(unit, 0).reshape(one.shape[unit], -1) for one in (constant, could_vary))
    living = could_vary.any(1)
    return (constant.all(1) & living).sum().item() / max(1, living.sum().item())


def _spread(values: Tensor) -> Tensor:
    """How far apart the examples (N, ...) are in each of their numbers, (...)."""
    return values.amax(0) - values.amin(0)
