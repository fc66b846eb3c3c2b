"""dvc.yaml names the code that a stage's figures, pictures and tables come from."""

from pathlib import Path

import grimp
import pytest
import yaml

from recipe.report.findings import STAGES

ROOT = Path(__file__).parent.parent

# What only carries a run, or tells of it: no figure, picture or table comes from there. Of tracking, what fetches
# pretrained weights by name and version; which ones they are, the hash of their content tells.
CARRIERS = (
    "recipe.errors",
    "recipe.executors",
    "recipe.runtime",
    "recipe.settings",
    "recipe.tracking.connection",
    "recipe.tracking.registry",
    "recipe.versioning.installed",
)
ROOMS = {f"recipe.{folder.name}" for folder in (ROOT / "recipe").iterdir() if folder.is_dir()}  # each says what it is


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom; what no stage of its own accord imports is left out."""
    graph = grimp.build_graph("flows", "tasks", "recipe", cache_dir=None, exclude_type_checking_imports=True)
    # records looks at trainings only where a stage has trained
    graph.remove_import(importer="recipe.training.records", imported="recipe.training.fit")
    return graph


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_its_results_come_from(graph: grimp.ImportGraph, stage: str) -> None:
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    used = {module for module in graph.find_upstream_modules(f"tasks.{stage}") if not is_carrier(module, stage)}
    missing = {module for module in used if not any(path_of(module).is_relative_to(dep) for dep in deps)}
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_every_file_and_setting_that_a_stage_names_is_there(stage: str) -> None:
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    code = [dep for dep in entry["deps"] if dep.startswith(("recipe/", "tasks/"))]
    assert code and all((ROOT / dep).exists() for dep in code)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name in entry["params"]:
        held = settings
        for part in name.split("."):
            assert part in held, name
            held = held[part]


def is_carrier(module: str, stage: str) -> bool:
    if module == "recipe.training.records" and stage in ("ingest", "data"):
        return True  # they train nothing
    if module in ("recipe.drawing", "recipe.evidence") and stage == "ingest":
        return True  # the frame of a stage imports them; ingest has no findings
    if module == "recipe.pipeline.duration" and stage != "squeeze":
        return True  # they tell by it only how much time is left
    return module in ROOMS or module.startswith(CARRIERS)


def path_of(module: str) -> Path:
    path = Path(*module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
