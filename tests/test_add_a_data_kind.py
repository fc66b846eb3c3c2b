"""docs/add-a-data-kind.md, followed to the letter in a copy of the project: three files, and everything works."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.one_process import Ended, carry_out
from tests.workspaces import ROOT, make_workspace, run

STEP = re.compile(r"^\*\*\d\. [^`]*`([^`]+)`.*?```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMPOSE = """
import sys
from pathlib import Path
from recipe.settings.composition import compose_params
compose_params(Path.cwd(), sys.argv[1:])
"""
EXPORT = """
import json, torch
from pathlib import Path
from recipe.inference.export import export_model
from recipe.models import Mlp
preparation = json.loads(Path("data/prepared/preparation.json").read_text())
net = Mlp(input_shape=tuple(preparation["input_shape"]), n_outputs=len(preparation["classes"]), width=8)
export_model(Path("models/final"), [net], transform=None, preparation=preparation, temperature=1.0,
             example=torch.randn(2, *preparation["input_shape"]))
"""
SERVED = """
import sys, pandas as pd
from pathlib import Path
sys.modules["recipe"] = None  # where the model serves, this project is absent
files = Path(sys.argv[1]) / "artifacts"
sys.path.insert(0, str(files))
from inference import load_final_model
program = next(files.glob("program.*"))
model = load_final_model(program, files / "preparation.json", files / "preparation.py")
print(model.predict(pd.read_csv(sys.argv[2]))["prediction"].tolist())
"""


def files_of_the_page() -> dict[str, str]:
    page = (ROOT / "docs" / "add-a-data-kind.md").read_text()
    return {path: content for path, content in STEP.findall(page) if "/" in path}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the files of the page, and 120 waves, fast or slow, one with a word in it."""
    workspace = make_workspace(tmp_path_factory.mktemp("kind") / "workspace")
    for path, content in files_of_the_page().items():
        (workspace / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace / path).write_text(content)
    rng = np.random.default_rng(0)
    times = np.arange(24)
    rows = []
    for label, speed in (("slow", 0.2), ("fast", 0.9)) * 60:
        wave = np.sin(speed * times + rng.uniform(0, 6)) + 0.1 * rng.standard_normal(len(times))
        rows.append((label, " ".join(f"{value:.3f}" for value in wave)))
    rows[5] = ("fast", "0.1 high 0.3")
    pd.DataFrame(rows, columns=["label", "values"]).to_csv(workspace / "waves.csv", index=False)
    waves = pd.read_csv(workspace / "waves.csv").head(60)  # half of them once more: one new, one with a word in it
    waves.loc[0, "values"] = " ".join(["0.5"] * 24)
    waves.to_csv(workspace / "june.csv", index=False)
    (workspace / "compose.py").write_text(COMPOSE)
    (workspace / "export.py").write_text(EXPORT)
    return workspace


@pytest.fixture(scope="module")
def ended(workspace: Path) -> dict[str, Ended]:
    """What came of the stages and the commands in which a kind takes part, one after another."""
    overrides = ("data=series", "data.path=waves.csv", "budget=test", "budget.steps=30")
    commands = {"compose": ("compose", *overrides)}
    commands |= {stage: (f"tasks.{stage}", "--workspace", ".") for stage in ("ingest", "data", "baseline")}
    commands |= {
        "export": ("export",),
        "predict": ("recipe.cli", "predict", "models/final", "waves.csv", "--out", "predictions.csv"),
        "check": ("recipe.cli", "check", "data", "data.delivery=june.csv"),
        "monitor": ("recipe.cli", "monitor", "june.csv"),
        "run": ("recipe.cli", "run", *overrides, "data.kind=sound"),
    }
    return dict(zip(commands, carry_out(workspace, *commands.values()), strict=True))


def test_a_kind_is_three_files() -> None:
    assert list(files_of_the_page()) == [
        "recipe/dataset/kinds/series.py",
        "conf/data/series.yaml",
        "tests/dataset/test_series.py",
    ]


def test_the_test_on_the_page_passes(workspace: Path) -> None:
    done = run(workspace, sys.executable, "-m", "pytest", "-q", "tests/dataset/test_series.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_practice_measures_series(workspace: Path, ended: dict[str, Ended]) -> None:
    for stage in ("ingest", "data", "baseline"):
        assert ended[stage].returncode == 0, ended[stage].stderr
        findings = json.loads((workspace / "reports" / stage / "measured.json").read_text())["findings"]
        assert not [one["summary"] for one in findings if one["summary"].startswith("It could not be measured")]
    quarantine = pd.read_csv(workspace / "reports" / "ingest" / "tables" / "data.quarantine.csv")
    assert quarantine[["path", "reason"]].values.tolist() == [["row:5", "'high' in column 'values' is no number"]]


def test_raw_series_are_predicted_here_and_where_the_project_is_absent(
    workspace: Path, ended: dict[str, Ended]
) -> None:
    assert ended["export"].returncode == ended["predict"].returncode == 0, ended["predict"].stderr
    table = pd.read_csv(workspace / "predictions.csv")
    assert len(table) == 120
    assert table["error"].dropna().to_dict() == {5: "row:5 of waves.csv: 'high' in column 'values' is no number."}
    assert table["prediction"].drop(5).isin(["slow", "fast"]).all()

    pd.read_csv(workspace / "waves.csv").head(5).to_csv(workspace / "few.csv", index=False)
    served = subprocess.run(
        [sys.executable, "-I", "-c", SERVED, str(workspace / "models" / "final"), str(workspace / "few.csv")],
        capture_output=True,
        text=True,
        cwd=workspace.parent,
    )
    assert served.stdout.strip() == str(table["prediction"].head(5).tolist()), served.stderr


def test_a_delivery_and_a_batch_are_read_as_the_data_set_is(workspace: Path, ended: dict[str, Ended]) -> None:
    assert ended["check"].returncode in (0, 1), ended["check"].stderr
    reasons = pd.read_csv(workspace / "reports" / "delivery" / "tables" / "data.quarantine.csv")["reason"].tolist()
    assert "'high' in column 'values' is no number" in reasons
    assert ended["monitor"].returncode in (0, 1), ended["monitor"].stderr
    unreadable = pd.read_csv(workspace / "reports" / "monitor" / "tables" / "monitor.unreadable.csv")
    assert unreadable["reason"].tolist() == ["'high' in column 'values' is no number"]


def test_a_kind_that_is_not_there_is_told_in_a_sentence(ended: dict[str, Ended]) -> None:
    assert ended["run"].returncode == 2
    assert "it should be 'builtin', 'image_folder', 'series' or 'table'" in ended["run"].stderr
