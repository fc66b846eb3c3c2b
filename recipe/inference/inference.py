"""Raw inputs to predictions. Standalone: shipped inside the exported model, where the training project is absent."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

PREPARATION = "preparation.json"
PREPARATION_CODE = "preparation.py"
EXPORTED_PROGRAM = "program.pt2"
TRACED_PROGRAM = "program.ts"

BATCH = 256  # inputs a forward pass: bounds memory, and larger ones are no faster on a CPU
Program = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FinalModel:
    """The network with the preparation it was trained with.

    `program` takes float32 batches (N, ...), of what is stored as bytes in 0..1, and gives class probabilities (N, k)
    or predictions (N, k) in the target's own units. `preparation` is the content of preparation.json, and `code` the
    module preparation.py.
    """

    program: Program
    preparation: dict[str, Any]
    code: ModuleType

    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One prediction a row: see `predict_prepared` for the columns.

        Args:
            rows: the raw columns that the preparation code asks for.

        Raises:
            ValueError: one sentence that names the columns missing or the first row that cannot be prepared.
        """
        missing = [name for name in self.code.raw_columns(self.preparation) if name not in rows.columns]
        if missing:
            raise ValueError(f"The input lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.")
        return self.predict_prepared(self.code.prepare_inputs(rows, self.preparation)).set_index(rows.index)

    def predict_prepared(self, inputs: np.ndarray) -> pd.DataFrame:
        """`prediction`, and a column `probability_<class>` a class; several targets have a column each.

        Args:
            inputs: (N, ...) as preparation.py makes them.
        """
        with torch.inference_mode():
            outputs = [
                self.program(self._batch(inputs[start : start + BATCH])) for start in range(0, len(inputs), BATCH)
            ]
        names = output_columns(self.preparation)
        is_class = self.preparation["task"] == "classification"
        values = torch.cat(outputs).numpy() if outputs else np.empty((0, len(names) - is_class), np.float32)
        if not is_class:
            return pd.DataFrame(values, columns=names)
        classes = np.array(self.preparation["classes"], dtype=object)
        table = pd.DataFrame(values, columns=names[1:])
        table.insert(0, names[0], classes[values.argmax(axis=1)] if len(values) else [])
        return table

    def _batch(self, inputs: np.ndarray) -> Tensor:
        batch = torch.from_numpy(np.array(inputs, np.float32))  # a copy: torch warns of arrays that it may not write to
        return batch / 255 if inputs.dtype == np.uint8 else batch


def output_columns(preparation: dict[str, Any]) -> list[str]:
    """The columns of a prediction."""
    if preparation["task"] == "classification":
        return ["prediction", *(f"probability_{label}" for label in preparation["classes"])]
    names = preparation["target"]["names"]
    return ["prediction"] if len(names) == 1 else [f"prediction_{name}" for name in names]


def load_final_model(program: Path, preparation: Path, code: Path) -> FinalModel:
    """The model in these three files; `code` runs as a module of its own, so that two models in one process differ."""
    content = json.loads(preparation.read_text(encoding="utf-8"))
    return FinalModel(load_program(program), content, _load_module(code))


def load_program(path: Path) -> Program:
    """The network in `path`, which must be of known origin: torch runs what it finds in it."""
    with open(path, "rb") as file:
        return open_program(file, path.suffix)


def open_program(file: IO[bytes], suffix: str) -> Program:
    """The network in `file`: an exported program (.pt2), or a traced one (.ts). Torch runs what it finds in it."""
    if suffix == Path(TRACED_PROGRAM).suffix:
        traced: Program = torch.jit.load(file, map_location="cpu")
        return traced
    exported: Program = torch.export.load(file).module()
    return exported


def _load_module(path: Path) -> ModuleType:
    name = f"{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
