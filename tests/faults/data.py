"""Deliberately broken data sets, made from the real digits and the real breast cancer table."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import Dataset, load_dataset
from recipe.settings import Settings, parse_settings

CONF = Path(__file__).parents[2] / "conf"


@cache
def composed(*overrides: str) -> Settings:
    """The settings as `recipe run OVERRIDE ...` composes them."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return parse_settings(OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True))


def ingested(workspace: Path, *overrides: str) -> Dataset:
    """The data set of the settings, prepared in `workspace`."""
    return _prepared(workspace, composed(*overrides))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The real digits: images uint8 (1797, 8, 8) and labels (1797,)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.round(bunch.images * (255 / 16)).astype(np.uint8), bunch.target


@cache
def breast_cancer() -> pd.DataFrame:
    """The real table, 569 rows, with its label as words in `diagnosis`. Copy it before changing it."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    names = pd.Series(bunch.target_names[bunch.target])
    return bunch.data.assign(diagnosis=names)


def arrays(images: np.ndarray, labels: Iterable[object], **columns: Iterable[Any]) -> Dataset:
    """A data set straight from arrays, as someone's own test makes one; images uint8 (N, 8, 8)."""
    names = [str(label) for label in labels]
    classes = sorted(set(names))
    ids = [f"digit-{place}" for place in range(len(images))]
    manifest = pd.DataFrame(
        {
            "id": ids,
            "content_id": [image.tobytes().hex() for image in images],
            "bytes_id": None,
            "path": [f"{name}/{id}.png" for name, id in zip(names, ids, strict=True)],
            "label": names,
            "split": _splits(names),
            "group": None,
        }
    )
    for name, values in columns.items():
        manifest[name] = list(values)
    return Dataset(
        manifest=manifest,
        quarantine=pd.DataFrame(columns=["id", "path", "label", "reason", "kind"]),
        inputs=images[:, np.newaxis],
        targets=np.array([classes.index(name) for name in names]),
        rows=pd.DataFrame(index=manifest.index),
        preparation={"kind": "images", "classes": classes},
        split_given="split" in columns,
        settings=composed("data=digits"),
    )


def image_folder(folder: Path, count: int = 300) -> list[Path]:
    """The first digits as PNG files, a folder a class; their paths in order."""
    images, labels = digits()
    paths = []
    for place in range(count):
        path = folder / str(labels[place]) / f"{place:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[place]).save(path)
        paths.append(path)
    return paths


def table(folder: Path, frame: pd.DataFrame, *overrides: str, label: str = "diagnosis") -> Dataset:
    """`frame`, written as a CSV and ingested."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    settings = composed("data=table", "data.path=.", f"data.label={label}", *overrides)
    return _prepared(folder, settings.model_copy(update={"data": settings.data.model_copy(update={"path": str(path)})}))


def with_labels(dataset: Dataset, labels: dict[int, str]) -> Dataset:
    """The same with the labels of some rows replaced, phantom classes and all."""
    given = [labels.get(row, label) for row, label in enumerate(dataset.manifest["label"])]
    return replace(dataset, manifest=dataset.manifest.assign(label=given))


def with_test_images_in_train(count: int) -> Dataset:
    """The digits under a user's own split, with the first `count` test images in training as well."""
    images, labels = digits()
    splits = _splits([str(label) for label in labels])
    leaked = np.flatnonzero(splits == "test")[:count]
    order = np.concatenate([np.arange(len(images)), leaked])
    return arrays(images[order], labels[order], split=np.append(splits, np.repeat("train", count)))


def with_near_copies_in_train(count: int, noise: float = 0.02) -> Dataset:
    """The same with noise on the copies, so that no byte of content is equal."""
    dataset = with_test_images_in_train(count)
    images = dataset.inputs[:, 0].astype(float)
    images[-count:] += np.random.default_rng(0).normal(0, noise * 255, images[-count:].shape)
    noisy = np.clip(images, 0, 255).round().astype(np.uint8)
    return arrays(noisy, list(dataset.manifest["label"]), split=dataset.manifest["split"].tolist())


def _prepared(workspace: Path, settings: Settings) -> Dataset:
    ingest(workspace, settings)
    return load_dataset(workspace, settings)


def _splits(labels: list[str]) -> np.ndarray:
    """Of seven examples of a class five to train, then one each to validation and test."""
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy() % 7
    return np.array([*["train"] * 5, "validation", "test"], dtype=object)[place]
