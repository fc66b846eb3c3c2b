"""Small models trained on real data and exported, which the tests of export, predict and tracking share."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import Tensor, nn

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import load_dataset
from recipe.inference.export import Batch, export_model
from recipe.models import Cnn, Mlp
from recipe.settings import parse_settings
from recipe.settings.composition import compose
from recipe.transforms import Standardize

REPOSITORY = Path(__file__).parents[1]
STEPS = 60
TRAINED = 500  # digits: enough for nets that are right more often than not

DIGITS: dict[str, Any] = {
    "kind": "images",
    "task": "classification",
    "classes": [str(digit) for digit in range(10)],
    "input_shape": [1, 8, 8],
    "features": None,
    "pixels": {"mean": [0.305], "std": [0.376], "channels": 1, "height": 8, "width": 8},
    "columns": None,
    "target": None,
}


def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits as uint8 (N, 1, 8, 8), and their labels."""
    data = load_digits()
    return np.round(data.images * 255 / 16).astype(np.uint8)[:, np.newaxis], data.target


def export_digits(folder: Path, members: int = 2, temperature: float = 1.5) -> list[nn.Module]:
    """An ensemble of small CNNs, trained for a moment; gives its members."""
    pixels, labels = digit_images()
    inputs, targets = torch.from_numpy(pixels) / 255, torch.from_numpy(labels)
    transform = Standardize(DIGITS["pixels"]["mean"], DIGITS["pixels"]["std"])
    nets = []
    for seed in range(members):
        torch.manual_seed(seed)
        net: nn.Module = Cnn(input_shape=(1, 8, 8), n_outputs=10, width=4, hidden=32, dropout=0.2)
        nets.append(trained(net, transform(inputs[:TRAINED]), targets[:TRAINED], nn.functional.cross_entropy))
    export_model(folder, nets, transform=transform, preparation=DIGITS, temperature=temperature, example=inputs[:2])
    return nets


def write_tumours(path: Path) -> pd.DataFrame:
    """Real measurements of tumours as a CSV: numbers with gaps, a category, and the diagnosis."""
    data = load_breast_cancer(as_frame=True)
    table = data.frame[["mean radius", "mean texture", "mean area", "worst concavity"]].copy()
    table["size"] = pd.cut(table["mean area"], [0, 450, 750, np.inf], labels=["small", "middle", "large"]).astype("str")
    table.loc[::17, "mean texture"] = np.nan
    table["diagnosis"] = np.where(data.target == 1, "benign", "malignant")
    table.to_csv(path, index=False)
    return table


def write_diabetes(path: Path) -> pd.DataFrame:
    """442 patients with the progression of their diabetes as a CSV."""
    table: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    table.to_csv(path, index=False)
    return table


def export_table(
    folder: Path, workspace: Path, path: Path, label: str, task: str, transform: Batch | None = None
) -> dict[str, Any]:
    """An MLP on the table at `path`, ingested as a run does it, behind `transform`; gives the preparation."""
    overrides = ["data=table", f"data.path={path}", f"data.label={label}", f"data.task={task}"]
    settings = parse_settings(compose(REPOSITORY, overrides))
    ingest(workspace, settings)
    dataset = load_dataset(workspace, settings)
    inputs, targets = torch.tensor(np.array(dataset.inputs)), torch.tensor(np.array(dataset.targets))
    torch.manual_seed(0)
    regression = task == "regression"
    outputs = 1 if regression else len(dataset.preparation["classes"])
    given = inputs if transform is None else transform(inputs)
    net: nn.Module = Mlp(input_shape=tuple(given.shape[1:]), n_outputs=outputs)
    net = trained(net, given, targets, nn.functional.mse_loss if regression else nn.functional.cross_entropy)
    export_model(
        folder, [net], transform=transform, preparation=dataset.preparation, temperature=1.0, example=inputs[:2]
    )
    return dict(dataset.preparation)


def trained(net: nn.Module, inputs: Tensor, targets: Tensor, loss: Any) -> nn.Module:
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss(net(inputs), targets).backward()
        optimizer.step()
    return net.eval()


def read_preparation(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "artifacts" / "preparation.json").read_text(encoding="utf-8"))
    return content
