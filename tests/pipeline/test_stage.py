"""A stage runs its practices in order and leaves what they found as files."""

import gc
import importlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import tasks
from recipe.errors import SettingsError, TargetError
from recipe.evidence import Finding, at_least, practice
from recipe.executors.loky import Processes
from recipe.pipeline.stage import Stage, main
from recipe.report.findings import read_judged
from recipe.runtime.display import Place
from recipe.settings import Settings
from recipe.settings.composition import compose_params
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all
from recipe.training.records import training_records
from tests.faults.data import composed
from tests.workspaces import make_workspace


@pytest.fixture
def settings() -> Settings:
    return composed("data=digits")


@practice("data/blank")
def counts(subject: int) -> Finding:
    """There are enough of them."""
    table = pd.DataFrame({"id": ["a", "b"], "flagged": [True, False], "reason": ["empty", None]})
    requirement = at_least(subject, 0)
    return Finding(
        "Counted.", float(subject), (1.0, 5.0), requirements=(requirement,), figures={"bars": Figure()}, table=table
    )


@practice("data/imbalance")
def unlucky(subject: int) -> Finding:
    """Nothing goes wrong."""
    raise ZeroDivisionError(f"no share of {subject}")


def test_what_a_practice_finds_draws_and_lists_is_on_disk(tmp_path: Path, settings: Settings) -> None:
    stage = Stage("data", tmp_path, settings)
    stage.run([counts], 3)
    stage.counts["train"] = 7
    stage.write()
    (finding,) = json.loads((tmp_path / "reports" / "data" / "measured.json").read_text())["findings"]
    assert finding["practice"] == "data/blank"
    assert finding["hypothesis"] == "There are enough of them."
    assert (tmp_path / "reports" / finding["figures"]["bars"]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "reports" / finding["table"]).read_text() == "id,flagged,reason\na,true,empty\nb,false,\n"
    metrics = json.loads((tmp_path / "metrics" / "data.json").read_text())
    assert metrics == {"train": 7, "blank": 3.0, "blank_low": 1.0, "blank_high": 5.0}


def test_what_a_practice_finds_may_change_what_those_after_it_work_on(tmp_path: Path, settings: Settings) -> None:
    stage = Stage("data", tmp_path, settings)
    assert stage.run([counts, counts], 3, onwards={counts.id: lambda subject: subject + 1}) == 5
    assert [finding.measured for finding in stage.findings] == [3.0, 4.0]
    left_out = Stage("data", tmp_path, settings, only=(counts.id,))
    assert left_out.run([unlucky, counts], 3, onwards={unlucky.id: lambda subject: subject + 1}) == 3


def test_a_practice_that_breaks_closes_the_gate_and_the_others_have_their_say(
    tmp_path: Path, settings: Settings
) -> None:
    stage = Stage("data", tmp_path, settings)
    stage.run([unlucky, counts], 3)
    stage.write()
    broken, sound = read_judged(tmp_path / "reports", "data", settings).findings
    assert (broken.verdict, sound.verdict) == ("fail", "pass")
    assert broken.summary == "It could not be measured: ZeroDivisionError: no share of 3."
    assert "no share of 3" in (tmp_path / ".recipe" / "traceback.txt").read_text()


@pytest.mark.parametrize("error", [TargetError("The model is none."), OSError("disk full"), MemoryError()])
def test_what_the_user_can_mend_ends_the_stage(tmp_path: Path, settings: Settings, error: Exception) -> None:
    @practice("data/blank")
    def raising(subject: object) -> Finding:
        """It holds."""
        raise error

    with pytest.raises(type(error)):
        Stage("data", tmp_path, settings).run([raising], None)


def test_only_the_practices_that_are_asked_for_run(tmp_path: Path, settings: Settings) -> None:
    stage = Stage("data", tmp_path, settings, only=("data/blank",))
    stage.run([unlucky, counts], 3)
    assert [finding.practice for finding in stage.findings] == ["data/blank"]


def test_a_practice_that_is_not_there_is_named_with_the_nearest(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"'data/blan' .*did you mean 'data/blank'"):
        Stage("data", tmp_path, settings, only=("data/blan",)).run([counts], 3)


def test_trainings_are_named_by_what_tells_them_apart(digits_cnn: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipe.training.fit.MEMORY", {})
    monkeypatch.setattr("recipe.runtime.progress._place", Place(""))
    base = digits_cnn.training.having(epochs=1)
    blank = digits_cnn.variant("zero inputs", train=replace(digits_cnn.train, inputs=digits_cnn.train.inputs * 0))
    fit_all(digits_cnn, [base, base.having(seed=1), base.having(model=base.model.having(dropout=0.3))])
    fit_all(blank, [base])
    records = training_records()
    assert [record["name"] for record in records] == ["dropout=0.3 seed=0", "seed=0", "seed=1", "zero inputs seed=0"]
    for record in records:
        assert math.isfinite(record["metrics"]["validation_loss"])
        assert len(record["curves"]["validation_loss"]) == 1


def test_trainings_of_worker_processes_are_recorded_too(
    digits_cnn: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recipe.models import Cnn
    from recipe.training.components import Component

    monkeypatch.setattr("recipe.training.fit.MEMORY", {})
    monkeypatch.setattr("recipe.runtime.progress._place", Place(""))
    spread = replace(digits_cnn, executor=Processes(2))
    base = spread.training.having(epochs=1, model=Component("model", f"{Cnn.__module__}.Cnn"))
    fit_all(spread, [base, base.having(seed=1)])
    assert [record["name"] for record in training_records()] == ["seed=0", "seed=1"]


@practice("baseline/loss_at_init")
def broken(subject: int) -> Finding:
    """The loss is a number."""
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([1, 2], [float("nan"), float("-inf")])
    axes.set_yscale("log")
    axes.set_xlim(left=1, right=float(subject))
    return Finding(
        "It is not.", math.nan, (1.0, math.inf), requirements=(at_least(math.nan, 0),), figures={"loss": figure}
    )


def test_a_number_that_is_none_is_a_finding_and_leaves_the_other_figures_whole(
    tmp_path: Path, settings: Settings
) -> None:
    stage = Stage("data", tmp_path, settings)
    stage.run([broken, counts], 3)
    stage.write()
    assert json.loads((tmp_path / "metrics" / "data.json").read_text())["blank"] == 3.0
    nan, counted = read_judged(tmp_path / "reports", "data", settings).findings
    assert (nan.summary, nan.verdict) == ("It is not.", "fail")
    assert counted.verdict == "pass"


def test_a_picture_that_cannot_be_drawn_costs_the_picture_alone(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(figure: Figure) -> bytes:
        raise ValueError("Data has no positive values, and therefore cannot be log-scaled.")

    monkeypatch.setattr("recipe.drawing.to_png", refuse)
    stage = Stage("data", tmp_path, settings)
    stage.run([counts], 3)
    (finding,) = stage.findings
    assert finding.summary == "Counted." and finding.figures == {}


@pytest.mark.parametrize(("called", "collects"), [("-m", False), ("pytest", True)])
def test_only_a_stages_own_process_imports_without_collecting_garbage(
    monkeypatch: pytest.MonkeyPatch, called: str, collects: bool
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    try:
        importlib.reload(tasks)
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_a_stage_collects_garbage_once_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    compose_params(workspace, ["data=digits"])
    monkeypatch.setattr(sys, "argv", ["ingest", "--workspace", str(workspace)])
    seen: list[bool] = []
    gc.disable()
    try:
        with pytest.raises(SystemExit) as ended:
            main("ingest", lambda stage: seen.append(gc.isenabled()))
    finally:
        gc.enable()
    assert (ended.value.code, seen) == (0, [True])


def test_a_table_tells_what_was_decided_on_each_and_flags_no_more_what_is_kept(
    tmp_path: Path, settings: Settings
) -> None:
    prepared = tmp_path / "data" / "prepared"
    prepared.mkdir(parents=True)
    decided = pd.DataFrame({"id": ["a", "b"], "path": ["0/a.png", "1/b.png"], "decided": ["keep", None]})
    decided.to_parquet(prepared / "manifest.parquet")
    Stage("data", tmp_path, settings).run([counts], 3)
    written = (tmp_path / "reports" / "data" / "tables" / "data.blank.csv").read_text()
    assert written.splitlines() == ["id,path,flagged,reason,decided", "a,0/a.png,false,empty,keep", "b,1/b.png,false,,"]
