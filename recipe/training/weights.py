"""Weights to start a training from, read from a file of unknown origin; nothing that the file brings is run."""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipe.errors import RecipeError

SAFETENSORS, EXPORTED = ".safetensors", ".pt2"
# Under which checkpoints keep their weights: Lightning and timm; torchvision's references; many a tutorial of torch.
KEYS = ("state_dict", "model", "model_state_dict", "model_state")
COMPILED = "_orig_mod."  # what torch.compile puts into names, wherever the compiled module stands

# Of an exported program: torch/export/pt2_archive/constants.py and torch/_export/serde/schema.py, ScalarType.
TENSORS = "data/weights/"
TABLE = f"{TENSORS}model_weights_config.json"
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
FIRST_MEMBER = "members.0."  # recipe/inference/export.py: an exported model is an ensemble


class WeightsError(RecipeError):
    """A file of weights that cannot be read, or is not safe to read."""


@dataclass(frozen=True)
class Weights:
    """Tensors by name, from somewhere else.

    `name` is how the user named them, `digest` the hash of their content.
    """

    name: str
    digest: str
    state: Mapping[str, Tensor]


def read_weights(path: Path, name: str | None = None) -> Weights:
    """The weights in `path`: safetensors, a checkpoint of torch, or a model's exported program (.pt2).

    A checkpoint may be the state dict itself, or hold it under one of `KEYS`; it is read with `weights_only=True`, so
    that nothing pickled in it is run. Of an exported ensemble it is the first member.

    Args:
        name: how the user named them; by default the file's name.

    Raises:
        WeightsError: there is no such file, it holds anything but tensors, or numbers that are not finite.
    """
    name = name or path.name
    if path.is_dir():
        raise WeightsError(f"pretrained={name} is a folder: name the file in it, such as artifacts/program.pt2.")
    try:
        state = {_shown(key): value for key, value in _content(path).items() if _is_dense(value)}
        odd = [key for key, value in state.items() if not _is_finite(value)]
    except MemoryError:
        raise
    except FileNotFoundError:
        raise WeightsError(f"pretrained={name} is not there: give a file of weights, pretrained=...") from None
    except ModuleNotFoundError as error:
        raise WeightsError(f"pretrained={name} needs the package '{error.name}': pip install {error.name}.") from error
    except Exception as error:  # pickle, zipfile, json, torch and safetensors raise a dozen kinds on what is not theirs
        raise WeightsError(f"pretrained={name} cannot be read: {_reason(error)}.") from error
    if not state:
        raise WeightsError(f"pretrained={name} holds no tensors by name: save the model's state_dict() alone.")
    if odd:
        raise WeightsError(
            f"pretrained={name} holds numbers that are not finite in '{odd[0]}', as a training that diverged leaves "
            "them: take an earlier checkpoint."
        )
    return Weights(name, _digest(path), state)


def _content(path: Path) -> dict[str, Any]:
    if path.suffix == SAFETENSORS:
        from safetensors.torch import load_file

        return dict(load_file(path))
    if path.suffix == EXPORTED:
        with zipfile.ZipFile(path) as archive:
            return dict(_of_first_member(_exported(archive)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles of another version: what comes of them is told here
        content = torch.load(path, map_location="cpu", weights_only=True)
    held = [content[key] for key in KEYS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)]
    state: Any = held[0] if held else content
    return {str(key): value for key, value in state.items()} if isinstance(state, Mapping) else {}


def _exported(archive: zipfile.ZipFile) -> Iterator[tuple[str, Tensor]]:
    """The tensors of an exported program by name, without the program: it is neither parsed nor run.

    torch.export.load would unpickle what the archive asks it to; here such an entry is refused.
    """
    root = archive.namelist()[0].partition("/")[0]
    for name, entry in json.loads(archive.read(f"{root}/{TABLE}"))["config"].items():
        place, meta = archive.getinfo(f"{root}/{TENSORS}{entry['path_name']}"), entry["tensor_meta"]
        if entry["use_pickle"] is not False or place.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"it holds {name!a} pickled or compressed")
        sizes, strides = ([size["as_int"] for size in meta[key]] for key in ("sizes", "strides"))
        numbers = torch.frombuffer(bytearray(archive.read(place)), dtype=DTYPES[meta["dtype"]])
        yield name, numbers.as_strided(sizes, strides, meta["storage_offset"]["as_int"])


def _of_first_member(tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    every = dict(tensors)
    members = {name: value for name, value in every.items() if name.startswith(FIRST_MEMBER)}
    for name, value in (members or every).items():
        yield name.removeprefix(FIRST_MEMBER), value


def _shown(key: str) -> str:
    """The name of a tensor as it goes into messages and tables: without what a terminal would obey."""
    return (key if key.isprintable() else ascii(key)[1:-1]).replace(COMPILED, "")


def _is_dense(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not (value.is_quantized or value.is_meta)


def _is_finite(value: Tensor) -> bool:
    wide = value.float() if value.itemsize < torch.float32.itemsize else value  # eight bits have no isfinite of theirs
    return bool(wide.isfinite().all())


def _reason(error: Exception) -> str:
    """Why a file was not read; of a pickle torch says how to run it all the same, which is not handed on."""
    if isinstance(error, pickle.UnpicklingError):
        return "it is no file of weights, or holds more than tensors, which is not run: save the state_dict() alone"
    line = (str(error).strip().splitlines() or [""])[0].rstrip(".")[:200]
    return f"it is damaged or no file of weights ({type(error).__name__}: {line})"


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
