"""What made one run differ from another: the parts are found, add up, are read again, and leave the workspace alone."""

import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.datasets import load_breast_cancer

from recipe.attribution.attribute import Attribution, attribute
from recipe.cli import BAD_INPUT, OPEN, run_command
from recipe.errors import DataError
from recipe.report.published import published_runs
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.tracking.connection import TrackingError, connect, tracking_uri
from recipe.tracking.past_runs import RunError, find_run
from tests.here import stages_here
from tests.made_runs import BROKEN, NET, OWN, commit, dvc_add, make_run, make_run_apart
from tests.workspaces import make_workspace

DIGITS = ("data=digits", "model=linear")
AGAIN_SECONDS = 10.0  # 1 on a quiet machine


@dataclass(frozen=True)
class Asked:
    """A workspace with two runs, what was said on the way from the first to the second, and what was found."""

    workspace: Path
    why: Attribution
    lines: list[str]
    untouched: dict[str, bytes]


@pytest.fixture(scope="module")
def digits_asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Two runs on the digits, the second with a rate that learns little and another seed."""
    workspace = make_workspace(tmp_path_factory.mktemp("why") / "workspace")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(workspace)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        make_run(workspace, *DIGITS, "optimizer.lr=1e-2")
        newer = make_run(workspace, *DIGITS, "optimizer.lr=1e-4", "seed=1")
        connect(uri_of(workspace)).set_registered_model_alias("digits", "champion", newer)
        return ask(workspace)


def ask(workspace: Path, a: str = "1", b: str = "2", here: bool = True) -> Asked:
    """What made B differ from A; `here`: runs between the two are made in this process, whose code they share."""
    untouched, lines = state_of(workspace), list[str]()
    with stages_here() if here else nullcontext():
        why = attribute(workspace, a, b, tell=lines.append)
    assert why is not None
    return Asked(workspace, why, lines, untouched)


def state_of(workspace: Path) -> dict[str, bytes]:
    """What a person's next run would go on from, and what tells of past ones."""
    folders = ("data", "chosen", "models", "metrics", ".recipe/splits")
    files = [path for name in folders for path in sorted((workspace / name).rglob("*")) if path.is_file()]
    files += [workspace / name for name in ("params.yaml", "mlflow.db", ".recipe/test_ledger.jsonl")]
    return {str(path): path.read_bytes() for path in files}


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_each_thing_that_differs_has_its_part_and_the_parts_add_up(digits_asked: Asked) -> None:
    why = digits_asked.why
    rate, seed = why.steps
    assert (rate.factor, rate.before, rate.after) == ("optimizer", "lr=0.01", "lr=0.0001")
    assert (seed.factor, seed.before, seed.after) == ("seed", "0", "1")
    assert rate.high < 0 and rate.low < rate.change < rate.high  # so low a rate learns less, beyond doubt
    assert rate.change + seed.change == pytest.approx(why.whole.change)
    assert why.value + why.whole.change == pytest.approx(why.whole.value)
    assert why.examples == 269 and why.metric == "accuracy"


def test_what_another_seed_does_is_measured_and_set_beside_the_rest(digits_asked: Asked) -> None:
    why = digits_asked.why
    rate, seed = why.steps
    assert why.seeds == 2 and why.seed_change == pytest.approx(abs(seed.change))
    assert rate.beyond_seed is (abs(rate.change) > abs(seed.change)) and seed.beyond_seed is None


def test_one_run_is_made_between_two_that_differ_in_two_things(digits_asked: Asked) -> None:
    assert digits_asked.lines == ["run 1 of 1: optimizer of B"]


def test_the_second_time_all_is_read_and_says_the_same(digits_asked: Asked) -> None:
    began = time.monotonic()
    again = ask(digits_asked.workspace)
    assert time.monotonic() - began < AGAIN_SECONDS
    assert again.why == digits_asked.why and again.lines == []


def test_nothing_is_published_or_read_of_the_test_and_the_run_stays_as_it_was(digits_asked: Asked) -> None:
    assert state_of(digits_asked.workspace) == digits_asked.untouched


def test_the_command_shows_a_table_and_leaves_a_page_a_picture_and_a_file(
    digits_asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(digits_asked.workspace)
    assert run_command(["why", "1", "champion"]) == OPEN
    told, errors = capsys.readouterr()
    folder = digits_asked.workspace / "reports" / "why"
    assert errors == ""
    assert re.search(r"optimizer +lr=0.01 +lr=0.0001 +−0\.\d+ +−0\.\d+ +−0\.\d+ +\d+%", told)
    assert told.rstrip().endswith(f"report: {folder / 'index.html'}")
    table = pd.read_csv(folder / "why.csv")
    assert table["factor"].tolist() == ["optimizer", "seed", "in all"]
    assert table["change"][:2].sum() == pytest.approx(table["change"][2])
    assert (folder / "waterfall.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["digits/2", "models:/digits/2", "digits@champion", "models:/digits@champion", "digits"]
)
def test_a_run_has_the_names_of_its_model(digits_asked: Asked, name: str) -> None:
    assert named(digits_asked.workspace, name) == "digits/2"


def test_a_run_may_be_named_by_its_id_by_how_it_begins_and_by_a_stage_of_it(digits_asked: Asked) -> None:
    workspace = digits_asked.workspace
    stage = published_runs(workspace)["squeeze"]["run_id"]
    whole = connect(uri_of(workspace)).get_run(stage).data.tags["mlflow.parentRunId"]
    assert {named(workspace, name) for name in (stage, whole, whole[:12])} == {f"run {whole[:8]}"}


def named(workspace: Path, name: str) -> str:
    return find_run(connect(uri_of(workspace)), "digits", name).name


def uri_of(workspace: Path) -> str:
    return tracking_uri(workspace, load_settings(workspace))


@pytest.mark.parametrize(
    "name", ["3", "digits/7", "previous", "iris/1", "ffffffff", "a b", "", "models:/", "championn"]
)
def test_a_name_that_is_no_run_is_answered_with_the_latest(digits_asked: Asked, name: str) -> None:
    with pytest.raises(RunError, match=r"There is no run '.*the latest are digits/2, digits/1, [0-9a-f]{8} \(") as told:
        named(digits_asked.workspace, name)
    assert ("(did you mean 'champion'?)" in str(told.value)) == (name == "championn")


def test_a_beginning_that_several_runs_share_is_answered_with_them(digits_asked: Asked, tmp_path: Path) -> None:
    client = connect(f"sqlite:///{shutil.copy(digits_asked.workspace / 'mlflow.db', tmp_path)}")
    begun: Counter[str] = Counter()
    while not (shared := [letter for letter in "abcdef" if begun[letter] > 1]):
        tags = {"recipe.stage": "pipeline", "recipe.pipeline": "one"}
        begun[client.create_run("1", tags=tags).info.run_id[0]] += 1
    with pytest.raises(RunError, match=f"Several runs begin with '{shared[0]}': {shared[0]}[0-9a-f]+ .*, {shared[0]}"):
        find_run(client, "digits", shared[0])


def test_a_run_and_itself_do_not_differ(
    digits_asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(digits_asked.workspace)
    assert run_command(["why", "2", "champion"]) == OPEN
    assert capsys.readouterr().out == "2 and champion do not differ: settings, data, code and seed are the same.\n"


def test_where_nothing_has_run_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    monkeypatch.chdir(workspace)
    assert run_command(["why", "1", "2"]) == BAD_INPUT
    compose_params(workspace, ["data=digits"])
    assert run_command(["why", "1", "2"]) == BAD_INPUT
    missing, nothing = capsys.readouterr().err.splitlines()
    assert "params.yaml is missing" in missing
    assert nothing == "recipe: No run is remembered here yet: start one with `recipe run`."
    assert not (workspace / "mlflow.db").exists()


@pytest.mark.parametrize("words", [["1"], ["1", "2", "3"], ["1", "2", "--seeds", "-1"], ["1", "2", "--seeds", "two"]])
def test_a_command_that_does_not_fit_is_refused_in_a_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["why", *words]) == BAD_INPUT
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_of_something_else_and_one_whose_settings_are_gone_are_refused(
    digits_asked: Asked, tmp_path: Path
) -> None:
    client = connect(f"sqlite:///{shutil.copy(digits_asked.workspace / 'mlflow.db', tmp_path)}")
    other = client.create_run("1").info.run_id
    with pytest.raises(RunError, match="was not made by `recipe run`"):
        find_run(client, "digits", other)
    older = client.create_run("1", tags={"recipe.stage": "pipeline", "recipe.pipeline": "old"}).info.run_id
    with pytest.raises(RunError, match=r"settings of run [0-9a-f]{8} were not kept"):
        find_run(client, "digits", older)


@pytest.mark.parametrize("told", ["--output=harm", "../../harm", "HEAD", "abc123", "0" * 41, "0" * 40 + "\n"])
def test_a_commit_that_is_no_full_id_reaches_neither_git_nor_a_path(
    digits_asked: Asked, tmp_path: Path, told: str
) -> None:
    client = connect(f"sqlite:///{shutil.copy(digits_asked.workspace / 'mlflow.db', tmp_path)}")
    client.set_model_version_tag("digits", "1", "mlflow.source.git.commit", told)
    with pytest.raises(RunError, match=r"The commit of digits/1 is given as .*, which is no full id"):
        find_run(client, "digits", "1")


def test_an_mlflow_that_does_not_answer_is_named(digits_asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 cannot be used"):
        attribute(digits_asked.workspace, "1", "2")


@dataclass(frozen=True)
class Rows:
    """A workspace in git with a table that DVC tracks, a model of one's own, and a run of both."""

    workspace: Path
    run: str


@pytest.fixture
def rows(rows_run: Rows, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """The same for every test, whatever the one before has changed."""
    monkeypatch.chdir(rows_run.workspace)
    files = [rows_run.workspace / name for name in ("rows.csv", "rows.csv.dvc", "nets.py")]
    before = [file.read_bytes() for file in files]
    yield rows_run
    for file, content in zip(files, before, strict=True):
        file.write_bytes(content)


@pytest.fixture(scope="module")
def rows_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    workspace = make_workspace(tmp_path_factory.mktemp("rows") / "workspace")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(workspace)
        patched.delenv("MLFLOW_TRACKING_URI", raising=False)
        compose_params(workspace, ["data=digits"])  # DVC, whatever it does, looks up names of dvc.yaml there
        load_breast_cancer(as_frame=True).frame.to_csv(workspace / "rows.csv", index=False)
        dvc_add(workspace, "rows.csv")
        (workspace / "nets.py").write_text(NET)
        commit(workspace, "Begin")
        patched.syspath_prepend(workspace)
        yield Rows(workspace, make_run(workspace, *OWN))
    sys.modules.pop("nets", None)


@dataclass(frozen=True)
class Relabelled:
    """A run on a newer version of the table, with a third of its labels shuffled; and both versions by DVC's hash."""

    run: str
    before: str
    after: str


@pytest.fixture(scope="module")
def relabelled(rows_run: Rows) -> Relabelled:
    table = rows_run.workspace / "rows.csv"
    first, before = table.read_bytes(), version_of(table)
    shuffle_labels(table, share=0.8)  # for less a tuned net makes up
    dvc_add(rows_run.workspace, "rows.csv")
    after = version_of(table)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(rows_run.workspace)
        run = make_run(rows_run.workspace, *OWN)
    table.write_bytes(first)
    dvc_add(rows_run.workspace, "rows.csv")
    return Relabelled(run, before, after)


def test_a_newer_version_of_the_data_with_labels_shuffled_is_what_made_the_model_worse(
    rows: Rows, relabelled: Relabelled
) -> None:
    why = ask(rows.workspace, rows.run, relabelled.run).why
    (step,) = why.steps
    assert (step.factor, step.before, step.after) == ("data version", relabelled.before[:8], relabelled.after[:8])
    assert why.whole.change < 0
    assert any("their label is not the same" in note for note in why.notes)


def test_data_that_are_gone_are_named_with_what_to_do(rows: Rows, relabelled: Relabelled) -> None:
    cache = rows.workspace / ".dvc" / "cache"
    shutil.rmtree(rows.workspace / ".recipe" / "why", ignore_errors=True)
    cache.rename(rows.workspace / "elsewhere")
    try:
        with pytest.raises(DataError, match=f"Version {relabelled.after[:8]} of rows.csv .*`dvc pull`"):
            attribute(rows.workspace, relabelled.run, rows.run)
    finally:
        (rows.workspace / "elsewhere").rename(cache)


def test_a_model_file_edited_between_two_commits_is_what_made_the_model_worse(rows: Rows) -> None:
    (rows.workspace / "nets.py").write_text(BROKEN)
    broken = commit(rows.workspace, "Break the model")
    newer = make_run_apart(rows.workspace, *OWN)
    (rows.workspace / "nets.py").write_text("what lies there now is of no account")
    why = ask(rows.workspace, rows.run, newer, here=False).why
    (step,) = why.steps
    assert (step.factor, step.after) == ("code", broken[:8])
    assert step.high < 0


def version_of(table: Path) -> str:
    """What DVC knows the tracked `table` by."""
    return str(yaml.safe_load(Path(f"{table}.dvc").read_text())["outs"][0]["md5"])


def shuffle_labels(path: Path, share: float) -> None:
    table, chance = pd.read_csv(path), np.random.default_rng(0)
    where = chance.permutation(len(table))[: int(share * len(table))]
    table.loc[where, "target"] = chance.permutation(table["target"][where])
    table.to_csv(path, index=False)
