"""What a run is made from, as it is kept with it: by DVC's own hashes."""

from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from sklearn.datasets import load_breast_cancer

from recipe.settings.composition import compose, compose_params
from recipe.versioning.provenance import code_in, content_hash, data_entry, model_settings, model_stages, recorded_code
from tests.workspaces import ROOT, environment, make_workspace


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which DVC has had a tracked table taken in."""
    workspace = make_workspace(tmp_path_factory.mktemp("provenance") / "workspace")
    load_breast_cancer(as_frame=True).frame.to_csv(workspace / "rows.csv", index=False)
    with pytest.MonkeyPatch.context() as patched, Repo(str(workspace)) as repo:
        patched.chdir(workspace)
        for name, value in environment(workspace).items():
            patched.setenv(name, value)
        compose_params(workspace, ["data=table", "data.path=rows.csv", "data.label=target"])
        repo.add("rows.csv")
        repo.reproduce("ingest")
    return workspace


def test_files_and_folders_have_the_hashes_that_dvc_gives_them(ingested: Path) -> None:
    entry = yaml.safe_load((ingested / "dvc.lock").read_text())["stages"]["ingest"]
    known = {one["path"]: one["md5"] for one in (*entry["deps"], *entry["outs"])}
    assert {path: content_hash(ingested / path) for path in known} == known
    assert {path for path in known if known[path].endswith(".dir")} >= {"data/prepared", "recipe/dataset"}
    assert content_hash(ingested / "nowhere") is None


def test_a_tracked_table_has_the_version_of_its_dvc_file(ingested: Path) -> None:
    tracked = yaml.safe_load((ingested / "rows.csv.dvc").read_text())["outs"][0]
    entry = data_entry(ingested, settings_of(ingested), "abc.dir")
    assert entry["md5"] == tracked["md5"] and entry["size"] == tracked["size"]
    assert (entry["path"], entry["hash"], entry["prepared"]) == ("rows.csv", "md5", "abc.dir")


def test_the_version_is_that_of_what_was_read_not_of_what_lies_there_since(ingested: Path) -> None:
    before = data_entry(ingested, settings_of(ingested), "")
    text = (ingested / "rows.csv").read_text()
    (ingested / "rows.csv").write_text(text + text.splitlines()[-1] + "\n")
    try:
        assert data_entry(ingested, settings_of(ingested), "") == before
    finally:
        (ingested / "rows.csv").write_text(text)


def test_a_built_in_set_has_no_version_but_that_of_the_prepared_data() -> None:
    entry = data_entry(ROOT, compose(ROOT, ["data=digits"]), "abc.dir")
    assert entry == dict.fromkeys(("path", "md5", "hash", "size", "nfiles")) | {"prepared": "abc.dir"}


def test_recorded_code_is_that_which_ran(ingested: Path) -> None:
    settings = settings_of(ingested)
    before = recorded_code(ingested, settings)
    assert before == code_in(ingested, settings)
    file = ingested / "recipe" / "dataset" / "splits.py"
    text = file.read_text()
    file.write_text(f"{text}# edited since\n")
    try:
        assert recorded_code(ingested, settings) == before != code_in(ingested, settings)
    finally:
        file.write_text(text)


def test_byte_code_is_no_code(ingested: Path) -> None:
    before = content_hash(ingested / "recipe" / "dataset")
    cached = ingested / "recipe" / "dataset" / "__pycache__"
    cached.mkdir(exist_ok=True)
    (cached / "more.cpython-311.pyc").write_bytes(b"")
    assert content_hash(ingested / "recipe" / "dataset") == before


def test_the_stages_that_only_look_on_make_no_model() -> None:
    assert model_stages(ROOT) == ["ingest", "overfit", "regularize", "tune", "squeeze"]
    read = model_settings(ROOT)
    assert {"seed", "model", "data.split", "stages.overfit", "stages.tune"} <= set(read)
    assert not [name for name in read if name.startswith(("stages.data", "stages.baseline", "thresholds"))]


def settings_of(workspace: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((workspace / "params.yaml").read_text())
    return content
