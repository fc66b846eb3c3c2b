"""The model registry: a version for each final model, known by the hash of its files, found by name."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recipe.errors import RecipeError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

CHAMPION = "champion"
MODEL_HASH = "recipe.model_hash"
REFERENCE = re.compile(r"(?:models:/+)?(?P<name>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@:]+))?")


class RegistryError(RecipeError):
    """A registered model that is not there."""


def register_model(client: "MlflowClient", name: str, folder: Path, run_id: str, tags: Mapping[str, str]) -> str:
    """The version under which the model in `folder` is registered; it becomes the champion when it is a new one.

    A model is known by its files, so the same one is registered once. Its files are kept with the run, since `folder`
    is written anew by the next run of the pipeline.
    """
    name = registered_name(name)
    content = folder_hash(folder)
    known = client.search_model_versions(f"name = '{name}' and tags.`{MODEL_HASH}` = '{content}'")
    if known:
        return str(known[0].version)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    artifact_path = f"model-{content[:8]}"
    client.log_artifacts(run_id, str(folder), artifact_path)
    source = f"{client.get_run(run_id).info.artifact_uri}/{artifact_path}"
    version = client.create_model_version(name, source, run_id, tags={MODEL_HASH: content, **tags}).version
    client.set_registered_model_alias(name, CHAMPION, str(version))
    return str(version)


def find_version(client: "MlflowClient", reference: str) -> "ModelVersion":
    """The version that `reference` names: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, or a name, for its champion.

    Raises:
        RegistryError: there is none such.
    """
    from mlflow.exceptions import MlflowException

    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise RegistryError(
            f"'{reference}' names no model: give a folder that holds one, models:/NAME/VERSION or models:/NAME@ALIAS."
        )
    try:
        if match["version"]:
            return client.get_model_version(match["name"], match["version"])
        return client.get_model_version_by_alias(match["name"], match["alias"] or CHAMPION)
    except MlflowException:
        names = ", ".join(sorted(model.name for model in client.search_registered_models())) or "none"
        raise RegistryError(
            f"'{reference}' is neither a folder that holds a model nor a registered one: registered are {names}."
        ) from None


def registered_name(name: str) -> str:
    """`name` as MLflow allows it: without the characters that separate a version or an alias."""
    return re.sub(r"[/:@'\"%]", "-", name)


def folder_hash(folder: Path) -> str:
    """The hash of all files under `folder`, by relative path and content."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
