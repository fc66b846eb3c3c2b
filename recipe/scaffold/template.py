"""What a workspace is made of: the files that the library brings, as they would be in one."""

import io
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from recipe import __version__
from recipe.errors import WorkspaceError
from recipe.versioning.installed import LOCK, MARK, PACKAGE, TEMPLATE, installed_code

NAME = "training-recipe"
FOLDERS = ("conf", "flows", "tasks")
FILES = ("prefect.yaml", "prefect.toml", ".dvcignore", "dvc.yaml")
LEFT_OUT = ("__pycache__",)
LIBRARY = "recipe/"  # how a dependency on the library begins where a workspace holds it
SOURCE = re.compile(r"^(  \w+: )recipe/[\w/]+\.py$", re.MULTILINE)  # in conf/, a part that is the library's own
TEST = "tests/test_model.py"
OWN_TEST = '''"""Practices of the baseline stage, asked of your own model: python -m pytest tests

Put your model in place of the network, and some of your data in place of the digits.
"""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from recipe.evidence import judge
from recipe.practices.baseline.gradients import gradients
from recipe.practices.baseline.loss_at_init import loss_at_init
from recipe.practices.baseline.overfit_one_batch import overfit_one_batch
from recipe.settings import Thresholds
from recipe.training.experiment import Experiment, make_experiment


def my_network(hidden: int = 64) -> nn.Module:
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))


@pytest.fixture
def experiment() -> Experiment:
    images, labels = load_digits(return_X_y=True)
    inputs, targets = torch.from_numpy((images / 16).astype(np.float32)), torch.from_numpy(labels.astype(np.int64))
    return make_experiment(my_network, (inputs[:1000], targets[:1000]), (inputs[1000:], targets[1000:]))


@pytest.mark.parametrize("practice", [loss_at_init, gradients, overfit_one_batch])
def test_my_model_holds(experiment: Experiment, practice) -> None:
    finding = judge(practice(experiment), Thresholds.default().of("baseline"))
    assert finding.verdict != "fail", f"{finding.summary} {finding.advice}"
'''


def template() -> Iterator[tuple[str, str]]:
    """The files of a workspace: each its place and its content.

    Raises:
        WorkspaceError: the library was installed without them.
    """
    root = _root()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not any(part in LEFT_OUT for part in path.parts):
                content = path.read_text(encoding="utf-8")
                yield path.relative_to(root).as_posix(), SOURCE.sub(rf"\g<1>{LOCK}", content)
    for name in FILES:
        content = (root / name).read_text(encoding="utf-8")
        yield name, _with_the_lock_for_code(content) if name == "dvc.yaml" else content
    yield LOCK, lock()
    yield TEST, OWN_TEST


def ignored() -> list[str]:
    """The lines that a workspace's .gitignore needs."""
    return (_root() / ".gitignore").read_text(encoding="utf-8").splitlines()


def lock() -> str:
    """requirements.lock: every package that the library needs, as installed, and the library itself."""
    pins = {name: version for name, version in _closure(NAME).items() if name != NAME}
    lines = [
        "# What this workspace was made with: pip install -r requirements.lock. The stages depend on this file.",
        f"{MARK}{installed_code()}",
        f"{NAME}=={Version(__version__).public}",
        *(f"{name}=={version}" for name, version in sorted(pins.items())),
    ]
    return "\n".join(lines) + "\n"


def _root() -> Path:
    """Where the files of a workspace lie: in an installed library in a folder of its own, in a clone around it.

    Raises:
        WorkspaceError: in neither.
    """
    for place in (PACKAGE / TEMPLATE, PACKAGE.parent):
        if (place / "dvc.yaml").is_file() and (place / "flows").is_dir():
            return place
    raise WorkspaceError(f"{PACKAGE} was installed without the files of a workspace: install {NAME} from its wheel.")


def _with_the_lock_for_code(dvc_yaml: str) -> str:
    """dvc.yaml for a workspace that does not hold the library: the lock, which names its code, stands for it."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    content = yaml.load(dvc_yaml)
    for stage in content["stages"].values():
        deps = stage["deps"]
        for place in reversed(range(len(deps))):
            if str(deps[place]).startswith(LIBRARY):
                del deps[place]
        deps.append(LOCK)
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def _closure(name: str) -> dict[str, str]:
    """Every installed package that `name` needs, itself included, with its version as an index knows it."""
    found: dict[str, str] = {}
    due = [name]
    while due:
        one = due.pop()
        try:
            package = distribution(one)
        except PackageNotFoundError:
            continue
        key = package.metadata["Name"].lower().replace("_", "-")
        if key in found:
            continue
        found[key] = Version(package.version).public
        needed = [Requirement(line) for line in package.requires or ()]
        due += [need.name for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found
