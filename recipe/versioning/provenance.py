"""What a run is made from, as it is kept with the run so that it can be made again: its data's version and its code.

The code of a run is that of the stages which its model comes out of, as dvc.yaml lists it: what only looks on has no
part in it. It is named by DVC's own hashes, so that what dvc.lock has recorded can be found again on a disk.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yaml import YAMLError

from recipe.runtime.workspace import fingerprint
from recipe.settings import Stages
from recipe.settings.defaults import lookup
from recipe.settings.kinds import comes_with_a_package
from recipe.settings.yaml12 import read_yaml
from recipe.versioning.freshness import read_lock

FINAL_MODEL = Path("models/final")
STUDENT_MODEL = Path("models/student")
DATA_VERSION_FILE = "data_version.json"  # beside params.yaml among the artifacts of a pipeline's run
MADE_BY_PYTHON = ("__pycache__", ".pyc")  # as .dvcignore has them
TEMPLATE = "${"  # begins what dvc.yaml takes from params.yaml


def data_entry(workspace: Path, settings: Mapping[str, Any], prepared: str) -> dict[str, Any]:
    """The data that ingest has read: `path`, and what DVC knows it by, `md5`, `hash`, `size` and `nfiles`.

    Those are None for a set that comes with a package. `prepared` is the hash of the prepared data. Where
    the path is tracked, `md5` is that of its .dvc file.
    """
    path = settings["data"]["path"]
    packaged = comes_with_a_package(settings["data"])
    known = next((dep for dep in _dependencies(workspace, "ingest") if Path(dep["path"]) == Path(path)), None)
    if known is None:
        known = tracked_out(workspace / path) or {}
    names = ("md5", "hash", "size", "nfiles")
    return {
        "path": None if packaged else path,
        **{name: None if packaged else known.get(name) for name in names},
        "prepared": prepared,
    }


def dvc_file(path: Path) -> Path:
    """Where DVC keeps the version of the file or folder `path`."""
    return path.with_name(f"{path.name}.dvc")


def tracked_out(path: Path) -> dict[str, Any] | None:
    """What DVC's file says of `path`: md5, size, hash, nfiles; None where there is no whole one."""
    try:
        [out] = read_yaml(dvc_file(path).read_text(encoding="utf-8"))["outs"]
        return dict(out) if out["md5"] else None
    except (OSError, ValueError, KeyError, TypeError, YAMLError):
        return None


def tracked_version(path: Path) -> str | None:
    """The version of `path` that DVC keeps: its md5; None where it keeps none."""
    out = tracked_out(path)
    return str(out["md5"]) if out else None


def recorded_code(workspace: Path, settings: Mapping[str, Any]) -> str:
    """Names the code that the model in the workspace was made by: as dvc.lock has it, else as it lies there."""
    present = _code(workspace, settings)
    deps = [dep for stage in model_stages(workspace) for dep in _dependencies(workspace, stage)]
    recorded = {dep["path"]: dep.get("md5") for dep in deps}
    return fingerprint({path: recorded.get(path) or found for path, found in present.items()})


def code_in(folder: Path, settings: Mapping[str, Any], stages: Sequence[str] = ()) -> str:
    """Names the code in `folder`, a workspace or a copy of one, that would make the model of `settings`.

    Args:
        stages: those whose code is meant; by default all that the model comes out of.
    """
    return fingerprint(_code(folder, settings, stages))


def model_stages(workspace: Path) -> list[str]:
    """The stages that the final model comes out of, in the recipe's order; the others look on."""
    stages = _stages(workspace)
    makers = {out: name for name, entry in stages.items() for out in _outputs(entry)}
    found, due = set(), [makers[name] for name in [FINAL_MODEL.as_posix()] if name in makers]
    while due:
        stage = due.pop()
        found.add(stage)
        due += [makers[dep] for dep in stages[stage]["deps"] if dep in makers and makers[dep] not in found]
    return [name for name in Stages.model_fields if name in found]


def model_settings(workspace: Path) -> list[str]:
    """The dotted names of the settings that the final model depends on."""
    stages = model_stages(workspace)
    others = [f"stages.{name}" for name in Stages.model_fields if name not in stages]
    names = dict.fromkeys(name for stage in stages for name in stage_settings(workspace, stage))
    return [name for name in names if not name.startswith(tuple(others))]


def stage_settings(workspace: Path, stage: str) -> list[str]:
    """The dotted names of the settings that `stage` depends on."""
    return list(_stages(workspace)[stage]["params"])


def content_hash(path: Path) -> str | None:
    """DVC's name for a file (its MD5) or folder (that of the list of its files); None where there is none.

    As dvc-data 3 has it, hashfile/tree.py.
    """
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    if not path.is_dir():
        return None
    files = [file for file in path.rglob("*") if file.is_file() and not _made_by_python(file)]
    listed = [{"md5": content_hash(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    text = json.dumps(sorted(listed, key=lambda entry: str(entry["relpath"])), sort_keys=True)
    return f"{_md5(text.encode('utf-8')).hexdigest()}.dir"


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def _made_by_python(file: Path) -> bool:
    return MADE_BY_PYTHON[0] in file.parts or file.suffix == MADE_BY_PYTHON[1]


def _code(folder: Path, settings: Mapping[str, Any], among: Sequence[str] = ()) -> dict[str, str | None]:
    """The code behind the model of `settings`, or behind the stages `among`: path to hash."""
    stages = _stages(folder)
    made = {out for entry in stages.values() for out in _outputs(entry)}
    deps = {dep for stage in among or model_stages(folder) for dep in stages[stage]["deps"] if dep not in made}
    paths = {path for dep in deps for path in _resolved(dep, settings)}
    return {path: content_hash(folder / path) for path in sorted(paths)}


def _resolved(dep: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """The path of a dependency, if it is code: the data have a version of their own, and gates make nothing."""
    name = dep.removeprefix(TEMPLATE).removesuffix("}")
    if name.startswith("sources."):
        yield str(lookup(settings, name))
    elif TEMPLATE not in dep and not dep.startswith("gates/"):
        yield dep


def _stages(workspace: Path) -> dict[str, Any]:
    stages: dict[str, Any] = read_yaml((workspace / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return stages


def _outputs(entry: Mapping[str, Any]) -> list[str]:
    """The paths of what a stage makes; one with options of its own is a mapping."""
    return [out if isinstance(out, str) else next(iter(out)) for out in entry.get("outs", [])]


def _dependencies(workspace: Path, stage: str) -> list[Mapping[str, Any]]:
    """What `stage` had read when it last ran, as dvc.lock tells."""
    return list(read_lock(workspace).get(stage, {}).get("deps", []))
