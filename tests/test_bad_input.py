"""Bad input is answered in one sentence that says what, where and what to do; nothing of the user's is lost.

What a person types is tried as the command would take it, without its process where that is not the point.
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from recipe.cli import BAD_INPUT, run_command
from recipe.dataset.ingestion import ingest
from recipe.errors import RecipeError
from recipe.pipeline.loading import load_experiment
from recipe.pipeline.stage import Stage
from recipe.runtime.workspace import RUN_LOCK, STAGE_LOCK, locked
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from tests.here import stages_here
from tests.workspaces import ROOT, make_workspace, recipe, run

DIGITS = ("data=digits", "budget=quick")
LONGEST = 450  # characters of a sentence, paths and lists of names included


def image(path: Path, index: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((load_digits().images[index] * 15.9).astype(np.uint8)).save(path)


def table(text: str) -> Callable[[Path], None]:
    return lambda folder: Path(folder / "table.csv").write_text(text, encoding="utf-8") and None


def one_class(folder: Path) -> None:
    for index in range(20):
        image(folder / "only" / f"{index}.png", index)


def one_example_a_class(folder: Path) -> None:
    for index in range(5):
        image(folder / str(index) / "lone.png", index)


def unreadable_files(folder: Path) -> None:
    for index in range(6):
        path = folder / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_text("not an image", encoding="utf-8")


def labels_of_no_file(folder: Path) -> None:
    (folder / "labels.csv").write_text("path,label\na.png,1\nb.png,2\n", encoding="utf-8")


ROWS = "".join(f"{row},{row * 7 % 13},{'yes' if row % 2 else 'no'}\n" for row in range(60))
GOOD = f"age,weight,label\n{ROWS}"
FOLDER = ("data=image_folder", "data.path=given")
TABLE = ("data=table", "data.path=given/table.csv")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the settings' menu, where the command is given, and a folder for a user's data."""
    for name in ("conf", "dvc.yaml", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "given").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the digits are prepared."""
    folder = tmp_path_factory.mktemp("prepared")
    for name in ("conf", "dvc.yaml", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    compose_params(folder, DIGITS)
    ingest(folder, load_settings(folder))
    return folder


def sentence(attempt: Callable[[], object], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        attempt()
    text = str(caught.value)
    assert "\n" not in text
    assert text[0].isprintable() and len(text) <= LONGEST


SETTINGS = {
    "a path that is not there": (("data=image_folder", "data.path=nowhere"), "nowhere is not there: give"),
    "a path that is empty": (("data=image_folder", "data.path="), "'data.path' is empty: give"),
    "the workspace as the data": (("data=image_folder", "data.path=."), "holds the workspace itself"),
    "a table without a path": (("data=table",), "'data.path' is missing: give"),
    "an unknown data set": (("data=mnst5k",), "did you mean 'mnist5k'"),
    "an unknown model of the menu": (("model=cnnn",), "did you mean 'cnn'"),
    "an unknown group": (("modle=cnn",), "did you mean 'model'"),
    "an unknown budget": (("budget=quik",), "did you mean 'quick'"),
    "a misspelt setting": (("sed=1",), "did you mean 'seed'"),
    "a misspelt threshold": (("thresholds.data.imbalance.max_rato=3",), "did you mean '.*max_ratio'"),
    "a value out of range": (("batch_size=0",), "'batch_size' .* 0, .* greater than or equal to 1"),
    "a word for a number": (("budget.epochs=many",), "'budget.epochs' .* 'many', .* integer"),
    "splits that leave nothing": (("data.split.validation=0.5", "data.split.test=0.5"), "nothing to train on"),
    "a split by what there is not": (("data.split.by=date",), "'data.split.by' .* 'date', .* 'chance' or 'time'"),
    "a column for a split by chance": (
        ("data.split.column=day",),
        "'data.split' .* column is what a split by time goes by: set data.split.by=time as well, or leave it out",
    ),
    "a split by the label": (
        ("data.split.by=time", "data.split.column=label"),
        "'data' .* data.split.column=label is the label: name a column of dates, or leave it out",
    ),
    "a part as a value": (("data.split=0.1",), "'data.split' .* validation, test, seed"),
    "a device that is none": (("device=tpu",), "'device' .* 'tpu'"),
    "an unknown backend": (("fanout.backend=threads",), "'threads', .* 'loky'"),
    "a scheduler without its address": (("fanout=dask",), "'fanout.address' is missing: give"),
    "an address without a port": (
        ("fanout=dask", "fanout.address=host"),
        "dask needs .*fanout.address=tcp://host:8786",
    ),
    "an address of local processes": (("fanout.address=tcp://host:8786",), "loky is of this machine and has no addr"),
    "a number of workers elsewhere": (("fanout=ray", "fanout.workers=2"), "ray .* leave fanout.workers out"),
    "files at no place": (("tracking.artifacts=mlruns",), "'tracking.artifacts' .* s3://bucket/mlflow, or a folder"),
    "an override without a value": (("seed",), "'seed' has no value: write"),
    "brackets left open": (("seed=[1",), r"'seed=\[1' cannot be read"),
    "settings of a loss that is not named": (("loss.label_smoothing=0.1",), "'loss' .* nothing would take label_sm"),
    "settings of an augmentation that is none": (("augment=none", "+augment.std=3"), "'augment' .* nothing would take"),
    "images of no size": (("data.image.size=[0,0]",), "'data.image.size.0' .* greater than 0"),
    "no batch size to try": (("stages.baseline.whole_test_set.batch_sizes=[]",), "batch_sizes' .* at least 1 item"),
    "an axis that is not searched": (("stages.tune.random_over_grid.axes=[optimizer.rate,batch_size]",), "optimizer.r"),
    "a setting taken away": (("~seed",), "'seed' .* is missing"),
}


@pytest.mark.parametrize(("overrides", "words"), SETTINGS.values(), ids=SETTINGS)
def test_a_wrong_setting_is_told_in_a_sentence_and_params_stay(
    workspace: Path, overrides: tuple[str, ...], words: str
) -> None:
    (workspace / "params.yaml").write_text("as: before\n", encoding="utf-8")
    sentence(lambda: compose_params(workspace, overrides), words)
    assert (workspace / "params.yaml").read_text(encoding="utf-8") == "as: before\n"


DATA: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str]] = {
    "an empty folder": (lambda folder: None, FOLDER, "holds no folder of images per class and no labels.csv: add"),
    "one class": (one_class, FOLDER, "the label 'only': give at least two classes"),
    "one example a class": (one_example_a_class, FOLDER, "has one example only: give several"),
    "unreadable files only": (unreadable_files, FOLDER, "None of the 6 images .* can be read; the first, a/0.png"),
    "a split by time of class folders": (
        lambda folder: [image(folder / "ab"[index % 2] / f"{index}.png", index) for index in range(20)] and None,
        (*FOLDER, "data.split.by=time"),
        "has no column of dates for data.split.by=time: leave it out, or add a labels.csv with one",
    ),
    "labels of files that are not there": (labels_of_no_file, FOLDER, "names no image .* a.png: .* no such file"),
    "a file for a folder": (
        table(GOOD),
        ("data=image_folder", "data.path=given/table.csv"),
        "is a file where a folder",
    ),
    "a folder for a file": (table(GOOD), ("data=table", "data.path=given"), "is a folder where a CSV or Parquet file"),
    "a wrong column": (table(GOOD), (*TABLE, "data.label=lable"), "'lable' .*did you mean 'label'"),
    "every label missing": (table("a,b,label\n" + "1,2,\n" * 30), TABLE, "Every label .* is missing: fill them in"),
    "every value missing": (table("a,b,label\n" + ",nan,x\n,nan,y\n" * 30), TABLE, "no value in any column beside"),
    "one number to learn": (
        table("a,b,label\n" + "".join(f"{row},{row % 7},5.5\n" for row in range(60))),
        (*TABLE, "data.task=regression"),
        "All 42 training labels .* are 5.5, so there is nothing to learn: name",
    ),
    "words for a regression": (table(GOOD), (*TABLE, "data.task=regression"), "No label .* is a number, as"),
    "a letter for a table": (table("Dear all,\nit, too, has,\ncommas.\n" * 9), TABLE, "is not a table: .* data.path"),
    "a header alone": (table("a,b,label\n"), TABLE, "has a header but no rows: set"),
    "nothing in the file": (table(""), TABLE, "is empty: set data.path"),
    "bytes for text": (lambda folder: (folder / "table.csv").write_bytes(bytes(range(256))) and None, TABLE, "binary"),
    "a column to ignore that is not there": (table(GOOD), (*TABLE, "data.ignore=[wieght]"), "did you mean 'weight'"),
    "a split by time without dates": (
        table(GOOD),
        (*TABLE, "data.split.by=time"),
        "has no column of dates for data.split.by=time: name a column of numbers or dates with data.split.column, or",
    ),
    "a split by a misspelt column": (
        table(GOOD),
        (*TABLE, "data.split.by=time", "data.split.column=wieght"),
        "no column 'wieght' for the split by time .did you mean 'weight'",
    ),
    "lists in a table": (
        lambda folder: pd.DataFrame({"a": [[1, 2]] * 9, "label": list("xyx") * 3}).to_parquet(folder / "table.csv"),
        TABLE,
        "has lists or records in the column 'a': leave it out with data.ignore",
    ),
    "a column twice": (table("a,a,label\n1,2,x\n2,3,y\n"), TABLE, "more than one column named 'a'"),
    "labels alone": (table("label,split\n" + "x,train\ny,test\n" * 9), TABLE, "no column beside 'label'"),
    "too few rows": (table("a,b,label\n1,2,x\n2,3,y\n4,5,x\n"), TABLE, "table.csv"),
}


@pytest.mark.parametrize(("arrange", "overrides", "words"), DATA.values(), ids=DATA)
def test_data_that_cannot_be_used_are_told_in_a_sentence_and_left_as_they_are(
    workspace: Path, arrange: Callable[[Path], None], overrides: tuple[str, ...], words: str
) -> None:
    arrange(workspace / "given")
    kept = workspace / "data" / "prepared" / "manifest.parquet"
    kept.parent.mkdir(parents=True)
    kept.write_text("of an earlier run", encoding="utf-8")
    before = {path: path.read_bytes() for path in (workspace / "given").rglob("*") if path.is_file()}
    compose_params(workspace, overrides)
    sentence(lambda: ingest(workspace, load_settings(workspace)), words)
    assert {path: path.read_bytes() for path in (workspace / "given").rglob("*") if path.is_file()} == before
    assert kept.read_text(encoding="utf-8") == "of an earlier run"


PARTS = {
    "a module that is not there": ("model._target_=nets.Net", "no module named 'nets'.*PYTHONPATH"),
    "a class that is not there": ("model._target_=torch.nn.Liner", "did you mean 'torch.nn.Linear'"),
    "a name without a module": ("model._target_=Net", "not a dotted name: write"),
    "a constructor that raises": (
        "model._target_=tests.faults.contract.CannotBeBuilt",
        r"the weights file is gone \(contract.py, line \d+\)\. Mend",
    ),
    "a model that raises": (
        "model._target_=tests.faults.contract.RaisesOnInputs",
        r"raised RuntimeError on inputs \(2,.*contract.py, line \d+\)",
    ),
    "outputs of another shape": (
        "model._target_=tests.faults.contract.GivesAnotherShape",
        r"\(2, 13\) .* \(2, 10\) is due",
    ),
    "a model that is no module": ("model._target_=tests.faults.contract.IsNoModule", "return a torch.nn.Module"),
    "a model without weights": (
        "model._target_=tests.faults.contract.TakesNothing",
        "optimizer: .* empty parameter list",
    ),
    "outputs cut off from the weights": ("model._target_=tests.faults.contract.Detaches", "model: .* without a grad"),
    "an optimizer that is none": ("optimizer._target_=tests.faults.contract.no_optimizer", "returned str: return a"),
    "a misspelt model setting": ("model.widht=8", "did you mean 'width'"),
    "a model setting out of range": ("model.width=-8", "'width': -8"),
    "a loss that returns a vector": ("loss._target_=tests.faults.contract.loss_of_each", "one number is due: average"),
    "a loss without a gradient": ("loss._target_=tests.faults.contract.loss_without_gradient", "without a gradient"),
    "a misspelt optimizer setting": ("optimizer.lrr=0.1", "did you mean 'lr'"),
    "an optimizer setting out of range": ("optimizer.lr=-1", "Invalid learning rate: -1"),
    "a schedule given as a whole": (
        "scheduler={_target_: torch.optim.lr_scheduler.ExponentialLR, gamma: 0.9}",
        "'scheduler' is one of a menu, or given one by one: scheduler._target_=",
    ),
    "a schedule that lacks a setting": (
        "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
        "scheduler: torch.optim.lr_scheduler.ExponentialLR could not be built",
    ),
    "a schedule that asks for the validation loss": (
        "scheduler._target_=torch.optim.lr_scheduler.ReduceLROnPlateau",
        "scheduler: .* raised TypeError: .* called as step\\(\\) after each step",
    ),
    "a transform that raises": (
        "data.transform._target_=tests.faults.contract.raises",
        "data.transform: .* cannot blur",
    ),
    "a transform that drops examples": ("data.transform._target_=tests.faults.contract.drops_half", "as many examples"),
    "a transform that gives an array": ("data.transform._target_=tests.faults.contract.as_numpy", "gives ndarray for"),
    "an augmentation that raises": ("augment._target_=tests.faults.contract.raises", "augment: .* cannot blur"),
    "an augmentation that drops examples": ("augment._target_=tests.faults.contract.drops_half", "as many examples"),
}


@pytest.mark.parametrize(("override", "words"), PARTS.values(), ids=PARTS)
def test_a_part_that_breaks_the_contract_is_named(prepared: Path, override: str, words: str) -> None:
    def check() -> None:
        compose_params(prepared, (*DIGITS, override))
        load_experiment(Stage("baseline", prepared, load_settings(prepared))).checked()

    sentence(check, words)


def test_a_file_where_a_folder_is_due_is_named(workspace: Path) -> None:
    (workspace / "data").write_text("in the way", encoding="utf-8")
    compose_params(workspace, DIGITS)
    sentence(lambda: ingest(workspace, load_settings(workspace)), "Cannot write .*data/prepared")
    assert (workspace / "data").read_text(encoding="utf-8") == "in the way"


def test_a_report_that_cannot_be_written_is_named(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way", encoding="utf-8")
    stage = Stage("data", tmp_path, load_settings(prepared))
    sentence(stage.write, "Cannot write .*reports/data")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "required: COMMAND"),
        (("rum",), "'rum'"),
        (("run", "--untill", "data"), "no option '--untill'"),
        (("run", "data=digits", "--until", "basline"), "did you mean 'baseline'"),
        (("check", "baseline/gradiens", "data=digits"), "did you mean 'baseline/gradients'"),
        (("check", "bassline", "data=digits"), "did you mean 'baseline'"),
        (("check", "data", "--out", "requirements.lock"), "Name another folder with --out"),
        (("check", "ingest", "data=digits", "data.split.by=time"), "digits has no column of dates for data.split.by"),
        (("report",), "params.yaml is missing"),
        (("flow", "data=mnst5k"), "did you mean 'mnist5k'"),
        (("flow", "data=digits", "--until", "basline"), "did you mean 'baseline'"),
        (("retrain", "data=mnst5k"), "did you mean 'mnist5k'"),
        (("predict", "models/final", "photo.png"), "There is no photo.png"),
        (("rollback", "1"), "`recipe rollback` takes no '1'"),
        (("monitor", "a.csv", "b.csv"), "`recipe monitor` takes no 'b.csv'"),
    ],
)
def test_the_command_says_once_what_is_wrong_and_gives_2(
    workspace: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tasks", "recipe"):
        (workspace / name).symlink_to(ROOT / name)
    with stages_here():
        assert run_command(words) == BAD_INPUT
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("recipe: ") and said in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "data=mnst5k"), "did you mean 'mnist5k'"),
        (("check", "data/unreadabel", "data=digits"), "did you mean 'data/unreadable'"),
    ],
)
def test_its_process_says_once_what_is_wrong_and_exits_with_2(
    workspace: Path, words: tuple[str, ...], said: str
) -> None:
    for name in ("tasks", "recipe"):
        (workspace / name).symlink_to(ROOT / name)
    told = recipe(workspace, *words)
    assert told.returncode == BAD_INPUT
    assert told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith("recipe: ") and said in line


def test_no_workspace_around_is_said(tmp_path: Path) -> None:
    told = recipe(tmp_path, "run", PYTHONPATH=str(ROOT))
    assert told.returncode == BAD_INPUT
    assert "No dvc.yaml in" in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize("lock", [RUN_LOCK, STAGE_LOCK])
def test_a_second_run_at_the_same_time_is_refused_and_changes_nothing(workspace: Path, lock: str) -> None:
    (workspace / "recipe").symlink_to(ROOT / "recipe")
    with locked(workspace, name=lock):
        told = recipe(workspace, "run", *DIGITS)
    assert told.returncode == BAD_INPUT
    assert told.stderr.startswith("recipe: Another run (process ") and len(told.stderr.splitlines()) == 1
    assert not (workspace / "params.yaml").exists()


def test_a_private_folder_that_cannot_be_made_is_named(workspace: Path) -> None:
    (workspace / "recipe").symlink_to(ROOT / "recipe")
    (workspace / ".recipe").write_text("in the way", encoding="utf-8")
    told = recipe(workspace, "run", *DIGITS)
    assert told.returncode == BAD_INPUT
    assert "Cannot write" in told.stderr and len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize("broken", ["seed: [1\n", "seed: 0\n", ""])
def test_params_broken_by_hand_are_named_by_the_stage(workspace: Path, broken: str) -> None:
    for name in ("tasks", "recipe"):
        (workspace / name).symlink_to(ROOT / name)
    (workspace / "params.yaml").write_text(broken, encoding="utf-8")
    told = run(workspace, sys.executable, "-m", "tasks.ingest")
    assert told.returncode == BAD_INPUT
    (line,) = told.stderr.splitlines()
    assert "params.yaml" in line


def test_dvc_repro_stops_on_params_broken_by_hand_without_a_traceback(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    compose_params(workspace, DIGITS)
    params = workspace / "params.yaml"
    text = re.sub(r"batch_size: \d+", "batch_size: none", params.read_text(encoding="utf-8"))
    params.write_text(text, encoding="utf-8")
    told = run(workspace, "dvc", "repro", "ingest")
    assert told.returncode != 0
    assert "'batch_size'" in told.stderr and "Traceback" not in told.stderr


def test_bad_input_in_the_pipeline_reaches_the_person_once(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    (workspace / "photos").mkdir()
    told = recipe(workspace, "run", "data=image_folder", "data.path=photos")
    assert told.returncode == BAD_INPUT
    assert told.stdout == ""
    (line,) = told.stderr.splitlines()
    assert line.startswith("recipe: ") and "photos holds no folder of images per class" in line


@pytest.mark.parametrize("place", ["given", "elsewhere"])
def test_links_that_lead_nowhere_are_counted_and_named_with_what_removes_them(tmp_path: Path, place: str) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    folder = (workspace if place == "given" else tmp_path) / place
    for index in range(40):
        image(folder / "ab"[index % 2] / f"{index}.png", index)
    for name in ("z.png", "y.png", "x.png", ".hidden.png"):
        (folder / "a" / name).symlink_to(tmp_path / "gone.png")
    (folder / "b" / "itself.png").symlink_to("itself.png")
    words = ("run", "data=image_folder", f"data.path={folder}", "--until", "ingest")
    told = recipe(workspace, *words)
    assert told.returncode == BAD_INPUT
    assert told.stderr == (
        f"recipe: {folder} has 5 links that lead nowhere (a/.hidden.png, a/x.png, a/y.png and 2 more), and DVC can "
        "give no version to data with such a link: mend or remove them, as "
        f"`find {folder} -type l ! -exec test -e {{}} \\; -delete` does.\n"
    )
    typed = told.stderr.split("`")[1]
    assert run(workspace, "sh", "-c", typed).returncode == 0
    assert recipe(workspace, *words).returncode == 0


def test_a_download_without_its_git_repository_is_told_what_to_do(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    shutil.copy(ROOT / ".dvc" / "config", workspace / ".dvc" / "config")
    told = recipe(workspace, "run", *DIGITS)
    assert told.returncode == BAD_INPUT
    (line,) = told.stderr.splitlines()
    assert "is no git repository" in line and "run `git init` there" in line
