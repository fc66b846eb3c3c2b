"""What names the data and the code that decide the bits of a training, so that a finished one is found again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from recipe.dataset.stored import FACTS, PREPARED
from recipe.runtime.workspace import fingerprint
from recipe.settings import Settings
from recipe.settings.user_code import own_modules

LIBRARY = Path(__file__).parent.parent
# Of this project, what decides the bits of a training.
FILES = ("augmentation.py", "creative_augmentation.py", "models.py", "transforms.py")
ENGINE = (LIBRARY / "training", *(LIBRARY / name for name in FILES))


def identity(workspace: Path, settings: Settings) -> str:
    """Names the data and the code: finished trainings are found again only where both are the same."""
    content: dict[str, Any] = {
        "data": json.loads((workspace / PREPARED / FACTS).read_text(encoding="utf-8"))["content"],
        "settings": [
            settings.data.transform.model_dump(by_alias=True),
            settings.loss.model_dump(by_alias=True),
            *(settings.metrics or ())[:1],  # by which the epochs of a training are scored
        ],
        "code": [digest(path) for path in _code(workspace, settings)],
        "torch": torch.__version__,  # another one adds in another order; the processor may too, but results travel
    }
    return fingerprint(content)


def _code(workspace: Path, settings: Settings) -> list[Path]:
    """The files that decide the bits of a training: the library's engine and the user's own."""
    return [*ENGINE, *own_modules(targets_of(settings), workspace).values()]


def targets_of(settings: Settings) -> list[str | None]:
    """Each `_target_` that a training is made of."""
    parts = (
        settings.model,
        settings.loss,
        settings.optimizer,
        settings.scheduler,
        settings.augment,
        settings.data.transform,
    )
    return [part.target for part in parts]


def digest(*paths: Path) -> str:
    """The hash of files, and of the Python files below folders."""
    content = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()
