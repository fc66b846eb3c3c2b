"""The final model for MLflow: this file is copied into the model and run where the training project is absent."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import Schema


class ServedModel(PythonModel):
    """Hands raw inputs to the shipped inference.py; a fault in the input is the caller's, so it answers 400."""

    def load_context(self, context: PythonModelContext) -> None:
        files = {name: Path(path) for name, path in context.artifacts.items()}
        inference = _load_module(files["inference_code"])
        self.model = inference.load_final_model(files["program"], files["preparation"], files["preparation_code"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        try:
            predictions: pd.DataFrame = self.model.predict(model_input)
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return predictions


def _all_as_text(schema: Schema) -> list[np.dtype[Any]]:
    """How a server reads text/csv: every cell as it is written, for the preparation knows what it means.

    MLflow's own has no way to read columns of any type; and numbers that it made of codes would have lost their zeros.
    """
    return [np.dtype(object)] * len(schema.input_names())


# MLflow asks the class and takes no other reader; the model names the version that this is written for.
Schema.pandas_types = _all_as_text  # type: ignore[assignment, method-assign]


def _load_module(path: Path) -> ModuleType:
    """The module at `path`, named after its content: two versions of it may serve in one process."""
    name = f"{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MlflowException(f"{path} is no Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


mlflow.models.set_model(ServedModel())
