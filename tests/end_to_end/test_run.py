"""`recipe run` from nothing to a registered model, and what a second run finds to do."""

import csv
import json
import resource
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from recipe.report.findings import STAGES
from recipe.runtime.machine_record import read_record
from recipe.settings.composition import compose_params
from tests.deliveries.conftest import shuffled_digits
from tests.finished import continued, measured
from tests.growing import HELD, settings_of
from tests.workspaces import metrics_of, recipe, run

pytestmark = pytest.mark.slow

REDOES_NOTHING = 20.0  # seconds of the processor, with MLflow filled anew; 7 on a quiet machine
FIELDS = {
    "practice",
    "hypothesis",
    "verdict",
    "measured",
    "interval",
    "expected",
    "tolerance",
    "summary",
    "advice",
    "figures",
    "table",
    "seconds",
}


def test_a_run_writes_the_findings_that_other_programs_rely_on(finished: Path) -> None:
    content = json.loads((finished / "reports" / "findings.json").read_text())
    assert [stage["stage"] for stage in content["stages"]] == list(STAGES)
    assert all(stage["mlflow_run_id"] for stage in content["stages"])
    assert {frozenset(finding) for finding in content["findings"]} == {frozenset(FIELDS)}
    for finding in content["findings"]:
        assert finding["verdict"] in ("pass", "warn", "skip")
        assert finding["hypothesis"].endswith(".")
        for name in [*finding["figures"], *([finding["table"]] if finding["table"] else [])]:
            assert (finished / "reports" / name).is_file()


def test_every_file_of_the_contract_is_there(finished: Path) -> None:
    for stage in STAGES:
        assert (finished / "gates" / stage).read_text() == "open\n"
        assert json.loads((finished / "metrics" / f"{stage}.json").read_text())
        record = read_record(finished, finished / "reports" / stage / "measured.json")
        assert record.load["cpu_utilization_percentage"] and record.seconds > 0
    page = (finished / "reports" / "index.html").read_text()
    assert "<script src" not in page
    assert 'src="http' not in page


def test_the_full_lists_hold_every_example_and_pairs_name_two(finished: Path) -> None:
    tables = finished / "reports" / "tables"
    with open(tables / "data.imbalance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 10
    assert {row["flagged"] for row in rows} <= {"true", "false"}
    with open(tables / "data.duplicates.csv", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert header == ["id_a", "path_a", "id_b", "path_b", "label_a", "label_b", "conflict", "kind"]


def test_a_second_run_redoes_nothing_and_dvc_agrees(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "reports").rglob("measured.json")}
    began = processor_seconds()
    again = recipe(finished, "run", *settings_of(finished))
    seconds = processor_seconds() - began
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "up to date" in run(finished, "dvc", "status").stdout
    assert seconds < REDOES_NOTHING


def processor_seconds() -> float:
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_changed_threshold_judges_again_and_trains_nothing(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "reports").rglob("measured.json")}
    words = (*settings_of(finished), "--until", "baseline")
    closed = recipe(finished, "run", *words, "thresholds.baseline.special_case.max_output_difference=0")
    assert closed.returncode == 1
    assert "The gate of baseline is closed." in closed.stderr
    assert "baseline/special_case" in closed.stderr
    opened = recipe(finished, "run", *words)
    assert opened.returncode == 0, opened.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_flow_starts_a_server_for_itself_and_finds_nothing_to_do_after_a_run(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "reports").rglob("measured.json")}
    done = recipe(finished, "flow", *settings_of(finished))
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "ERROR" not in said and "Traceback" not in said
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_curves_are_drawn(finished: Path) -> None:
    done = run(finished, "dvc", "plots", "show", "-o", "drawn")
    assert done.returncode == 0, done.stderr
    page = (finished / "drawn" / "index.html").read_text(encoding="utf-8")
    assert "validation_loss" in page and "plots/overfit.csv" in page


def test_advice_tells_how_much_more_is_missed_of_a_delivery(finished: Path, tmp_path: Path) -> None:
    trainings = {path.name for path in (finished / ".recipe" / "trainings").glob("*.pt")}
    dark = tmp_path / "dark"
    images, labels = shuffled_digits()
    for row in range(HELD, HELD + 60):
        path = dark / str(labels[row]) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row] // 3).save(path)
    done = recipe(finished, "advise", f"data.delivery={dark}", "--out", str(tmp_path / "advice"))

    assert done.returncode == 0, done.stderr
    assert "On the 60 new examples of the delivery the error is" in done.stdout.replace("\n", " ")
    assert {path.name for path in (finished / ".recipe" / "trainings").glob("*.pt")} == trainings
    known = recipe(finished, "advise", f"data.delivery={finished / 'data' / 'photos'}")
    assert known.returncode == 2
    assert "photos has no example that is new" in known.stderr and "600 known" in known.stderr
    gone = recipe(finished, "advise", "data.delivery=gone")
    assert gone.returncode == 2 and "is not there" in gone.stderr and "Traceback" not in gone.stderr


def test_advice_tells_the_parts_of_the_error_and_what_would_lower_it_and_trains_nothing_anew(finished: Path) -> None:
    trainings = {path.name for path in (finished / ".recipe" / "trainings").glob("*.pt")}
    done = recipe(finished, "advise", COLUMNS="160")
    assert done.returncode == 0, done.stderr
    for told in (
        "where the error comes from",
        "label noise",
        "what would lower it",
        "one more member",
        "budget.members=3",
    ):
        assert told in done.stdout, done.stdout
    assert {path.name for path in (finished / ".recipe" / "trainings").glob("*.pt")} == trainings
    assert (finished / "reports" / "advice" / "index.html").is_file()
    page = (finished / "reports" / "index.html").read_text(encoding="utf-8")
    assert page.index("Where the error comes from") < page.index("On the test set")


def test_the_model_predicts_from_raw_images(finished: Path, tmp_path: Path) -> None:
    images, labels = shuffled_digits()
    for row in range(HELD, HELD + 50):
        Image.fromarray(images[row]).save(tmp_path / f"{row}.png")
    done = recipe(finished, "predict", "models/final", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    right = [row["prediction"] == str(label) for row, label in zip(rows, labels[HELD:], strict=False)]
    assert len(right) == 50 and sum(right) > 40


def test_another_folder_and_two_workers_give_the_same_figures_to_the_last_digit(finished: Path, tmp_path: Path) -> None:
    other = continued(finished, tmp_path)
    earlier = metrics_of(other)
    shutil.rmtree(other / ".recipe" / "trainings")  # else they would be read, not made again
    compose_params(other, settings_of(other, "fanout.backend=loky", "fanout.workers=2"))
    for stage in ("ingest", "overfit"):  # they read the data of this folder anew, and train side by side on them
        (other / "metrics" / f"{stage}.json").unlink()
        done = run(other, sys.executable, "-m", f"tasks.{stage}")
        assert done.returncode == 0, done.stderr
    assert metrics_of(other) == earlier


def test_an_edited_file_of_ones_own_reruns_what_uses_it_and_nothing_before(finished: Path, tmp_path: Path) -> None:
    workspace = continued(finished, tmp_path)
    model = Path(__file__).with_name("own_model.py").read_text()
    (workspace / "own_model.py").write_text(f"import own_layers\n{model}")
    for name in ("own_layers.py", "unrelated.py"):
        (workspace / name).touch()
    own = ("model=custom", "model._target_=own_model.Net")
    words = (*(word for word in settings_of(workspace) if word != "model=mlp"), *own)

    def edit(name: str) -> set[str]:
        """The stages up to baseline that have to run again once `name` is edited."""
        (workspace / name).write_text((workspace / name).read_text() + "\n# edited\n")
        shown = json.loads(run(workspace, "dvc", "status", "--json", "baseline").stdout)
        return set(shown) & set(STAGES)

    compose_params(workspace, words)
    assert run(workspace, "dvc", "commit", "--force", "baseline").returncode == 0  # as if it had been run with it
    assert edit("unrelated.py") == set()
    assert edit("own_layers.py") == {"baseline"}
    assert run(workspace, "dvc", "commit", "--force", "baseline").returncode == 0
    assert edit("own_model.py") == {"baseline"}

    before = measured(workspace)
    done = recipe(workspace, "run", *words, "--until", "baseline")
    assert done.returncode == 0, done.stderr
    again = measured(workspace)
    assert {stage for stage in STAGES if again[stage] > before[stage]} == {"baseline"}
