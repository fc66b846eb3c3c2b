"""The final model as one folder: raw inputs in, predictions out, wherever MLflow and torch are installed.

MLflow's models-from-code keeps serving.py as source, so nothing is pickled; the network is a torch.export program.
"""

import copy
import io
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from torch import Tensor, nn

from recipe.dataset.kind import kind_of
from recipe.dataset.target_scale import LOG
from recipe.errors import RecipeError
from recipe.inference import inference as inference_code
from recipe.inference.inference import (
    EXPORTED_PROGRAM,
    PREPARATION,
    PREPARATION_CODE,
    TRACED_PROGRAM,
    output_columns,
)
from recipe.inference.safe_loading import load_program

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

Batch = Callable[[Tensor], Tensor]

REQUIRED = ("mlflow", "numpy", "pandas", "pillow", "torch")
SERVING = Path(__file__).with_name("serving.py")
# The exported kernels may add in another order than the eager ones: float32 carries 7 digits, and 4 are asked for.
TOLERANCE = 1e-4


class ExportError(RecipeError):
    """A model that can be neither exported nor traced, or is not fit to be."""


def export_model(
    folder: Path,
    members: Sequence[nn.Module],
    *,
    transform: Batch | None,
    preparation: dict[str, Any],
    temperature: float,
    example: Tensor,
) -> None:
    """Write the ensemble of `members` to `folder` as an MLflow pyfunc model, whole or not at all.

    Args:
        members: networks for the same inputs, each giving (N, k).
        transform: what happens to a batch on its way into the net; float32 in, float32 out.
        preparation: the content of preparation.json.
        temperature: divides the members' logits before softmax; regression ignores it.
        example: two inputs as the transform gets them (2, ...), both real ones.

    Raises:
        ExportError: the network can be neither exported nor traced, or answers with numbers that are not finite.
    """
    net = Ensemble(members, transform, preparation, temperature).eval()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        parts, model = Path(beside, "parts"), Path(beside, "model")
        parts.mkdir()
        program = write_program(net, example.detach().to("cpu", torch.float32), parts)
        (parts / PREPARATION).write_text(json.dumps(preparation, indent=2, sort_keys=True), encoding="utf-8")
        shutil.copyfile(str(kind_of(preparation).code.__file__), parts / PREPARATION_CODE)
        _save_pyfunc(model, program, parts, preparation)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        model.rename(folder)


class Ensemble(nn.Module):
    """Transform, members, and their mean: class probabilities, or predictions in the target's own units."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, members: Sequence[nn.Module], transform: Batch | None, preparation: dict[str, Any], temperature: float
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(copy.deepcopy(member).cpu().float() for member in members)
        self.transform = copy.deepcopy(transform)
        self.temperature = temperature
        self.classes = preparation["task"] == "classification"
        target = preparation.get("target") or {"mean": [0.0], "std": [1.0]}
        self.is_log = target.get("scale") == LOG
        self.register_buffer("mean", torch.tensor(target["mean"], dtype=torch.float32))
        self.register_buffer("std", torch.tensor(target["std"], dtype=torch.float32))

    def forward(self, batch: Tensor) -> Tensor:
        inputs = batch if self.transform is None else self.transform(batch)
        outputs = torch.stack([member(inputs) for member in self.members])
        if self.classes:
            return torch.softmax(outputs / self.temperature, dim=-1).mean(dim=0)
        learnt = outputs.mean(dim=0) * self.std + self.mean
        return learnt.exp() if self.is_log else learnt


def write_program(net: nn.Module, example: Tensor, folder: Path) -> Path:
    """`net` as a program for batches of any size: exported, or traced where torch.export cannot take it.

    Both are read back, as a program of unknown origin is, and held to `net` on batches of one, two and three.

    Raises:
        ExportError: neither gives what the net gives, or the net gives numbers that are not finite.
    """
    with torch.no_grad():
        answers = [(batch, net(batch)) for batch in _batches(example)]
    if not all(answer.isfinite().all() for _, answer in answers):
        raise ExportError(
            "The model answers real examples with numbers that are not finite: look for a division by zero, a "
            "logarithm of zero or an overflow in its forward and in the transform, or train it with a lower rate."
        )
    reasons = []
    for write, name in ((_write_exported, EXPORTED_PROGRAM), (_write_traced, TRACED_PROGRAM)):
        path = folder / name
        try:
            # What the tracers warn of, the comparison answers; and torch.export prints the graph that it gave up on.
            with warnings.catch_warnings(), redirect_stderr(io.StringIO()), torch.no_grad():
                warnings.simplefilter("ignore")
                write(net, example, path)
                _compare(load_program(path), answers)
            return path
        except Exception as error:  # a user's net may raise anything while it is traced
            reasons.append(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
            path.unlink(missing_ok=True)
    raise ExportError(
        f"The model can be neither exported ({reasons[0].rstrip('.')}) nor traced ({reasons[1].rstrip('.')}): "
        "keep its forward free of control flow on data, of chance and of fixed batch sizes."
    )


def _write_exported(net: nn.Module, example: Tensor, path: Path) -> None:
    # Two rows and a dynamic batch: one row would freeze the batch size at one.
    program = torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    program.example_inputs = None  # not needed to load, and they would be two of the user's own examples
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # where the code lies on this machine: equal models are equal files
    torch.export.save(program, path)


def _write_traced(net: nn.Module, example: Tensor, path: Path) -> None:
    torch.jit.save(torch.jit.trace(net, example, check_trace=False), str(path))


def _batches(example: Tensor) -> list[Tensor]:
    return [example[:1], example, torch.cat([example.flip(0), example[:1]])]


def _compare(program: Batch, answers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Hold `program` to the finite `answers` of the net, each with its batch."""
    for batch, expected in answers:
        given = program(batch)
        is_equal = given.shape == expected.shape and (given - expected).abs().max() <= TOLERANCE * expected.abs().max()
        if not is_equal:  # a difference that is no number is no equality
            raise ValueError(f"its program gives something else on a batch of {len(batch)}")


def _save_pyfunc(folder: Path, program: Path, parts: Path, preparation: dict[str, Any]) -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow.pyfunc

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on input examples, which the explicit signature makes needless
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(SERVING),
            artifacts={
                "program": str(program),
                "preparation": str(parts / PREPARATION),
                "preparation_code": str(parts / PREPARATION_CODE),
                "inference_code": str(inference_code.__file__),
            },
            pip_requirements=[f"{name}=={version(name).split('+')[0]}" for name in REQUIRED],
            signature=_signature(preparation),
        )
    _make_repeatable(folder / "MLmodel")


def _make_repeatable(description: Path) -> None:
    """Take out of MLflow's own file what names this machine or moment: equal models are equal folders."""
    content = yaml.safe_load(description.read_text(encoding="utf-8"))
    for key in ("model_uuid", "utc_time_created"):
        content.pop(key, None)
    flavor = content["flavors"]["python_function"]
    flavor["model_code_path"] = SERVING.name
    for artifact in flavor["artifacts"].values():
        artifact["uri"] = artifact["path"]
    description.write_text(yaml.safe_dump(content), encoding="utf-8")


def _signature(preparation: dict[str, Any]) -> "ModelSignature":
    """Raw columns of any type, since the preparation code takes numbers as text and missing values; typed outputs."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    names = output_columns(preparation)
    text = {"prediction"} if preparation["task"] == "classification" else set()
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name) for name in kind_of(preparation).code.raw_columns(preparation)]),
        outputs=Schema([ColSpec(DataType.string if name in text else DataType.float, name) for name in names]),
    )
