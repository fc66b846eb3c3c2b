"""The exported model: raw inputs in, predictions out, where this project is not installed."""

import base64
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from recipe.inference.export import ExportError, export_model
from recipe.inference.inference import load_program
from recipe.inference.predict import predict
from recipe.transforms import Standardize
from tests import exported
from tests.faults.transforms import with_squares, without_half
from tests.scoring import as_record, bare_environment, post, scoring

# A process in which our packages cannot be imported, whatever is installed.
ALONE = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("recipe", "tasks", "flows", "tests"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import mlflow.pyfunc, pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import invocations
answers = []
for folder, bodies in json.load(sys.stdin):
    model = mlflow.pyfunc.load_model(folder)
    for body in bodies:
        try:
            kind = "text/csv" if isinstance(body, str) else "application/json"
            data = body if isinstance(body, str) else json.dumps(body)
            answer = invocations(data, kind, model, model.metadata.get_input_schema())
            answers.append([answer.status, json.loads(answer.response)])
        except MlflowException as error:  # as the server's own handler answers it
            answers.append([error.get_http_status_code(), {"message": error.message}])
assert not any(name.partition(".")[0] == "recipe" for name in sys.modules)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[nn.Module]]:
    folder = tmp_path_factory.mktemp("digits") / "models" / "final"
    return folder, exported.export_digits(folder)


@dataclass(frozen=True)
class Answered:
    """Tables that models were trained on, and what the models answer where this project cannot be imported."""

    tumours: pd.DataFrame
    patients: pd.DataFrame
    answers: list[Any]  # five about tumours, then one about all patients


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    clinic, study = tmp_path_factory.mktemp("tumours"), tmp_path_factory.mktemp("diabetes")
    tumours = exported.write_tumours(clinic / "tumours.csv")
    exported.export_table(clinic / "final", clinic, clinic / "tumours.csv", "diagnosis", "classification")
    patients = exported.write_diabetes(study / "diabetes.csv")
    exported.export_table(study / "final", study, study / "diabetes.csv", "target", "regression")
    rows = tumours.drop(columns="diagnosis").head(40)
    records = json.loads(rows.head(1).to_json(orient="records"))
    about_tumours = [
        {"dataframe_split": _split(rows)},
        {"dataframe_records": records},
        {"dataframe_records": [{**records[0], "size": "never seen", "mean area": None}]},
        {"dataframe_records": [{"mean radius": 14.0}]},
        rows.to_csv(index=False),
    ]
    about_patients = [{"dataframe_split": _split(patients.drop(columns="target"))}]
    asked = [(str(clinic / "final"), about_tumours), (str(study / "final"), about_patients)]
    return Answered(tumours, patients, _ask_alone(asked, tmp_path_factory.mktemp("elsewhere")))


def _split(rows: pd.DataFrame) -> Any:
    return json.loads(rows.to_json(orient="split", index=False))


def test_the_program_averages_the_members_probabilities_after_temperature(
    digits: tuple[Path, list[nn.Module]],
) -> None:
    folder, members = digits
    images = torch.from_numpy(exported.digit_images()[0][:7]) / 255
    transform = Standardize(exported.DIGITS["pixels"]["mean"], exported.DIGITS["pixels"]["std"])
    with torch.no_grad():
        expected = torch.stack([torch.softmax(member(transform(images)) / 1.5, 1) for member in members]).mean(0)
        given = load_program(folder / "artifacts" / "program.pt2")(images)
    assert torch.allclose(given, expected, atol=1e-6)


def test_a_model_holds_no_pickle_and_names_neither_machine_nor_moment(digits: tuple[Path, list[nn.Module]]) -> None:
    folder, _ = digits
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "serving.py", "requirements.txt", "artifacts/program.pt2"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".bin"))]
    description = (folder / "MLmodel").read_text(encoding="utf-8")
    assert "utc_time_created" not in description
    whole = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert not [content for content in whole if str(exported.REPOSITORY).encode() in content]


def test_the_same_model_exported_again_is_the_same_folder(digits: tuple[Path, list[nn.Module]], tmp_path: Path) -> None:
    folder, members = digits
    images = torch.from_numpy(exported.digit_images()[0][:2]) / 255
    transform = Standardize(exported.DIGITS["pixels"]["mean"], exported.DIGITS["pixels"]["std"])
    again = tmp_path / "final"
    export_model(again, members, transform=transform, preparation=exported.DIGITS, temperature=1.5, example=images)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_a_table_is_answered_from_raw_rows_where_the_project_cannot_be_imported(answered: Answered) -> None:
    whole, one, odd, lacking, csv, _ = answered.answers
    assert [status for status, _ in (whole, one, odd, lacking, csv)] == [200, 200, 200, 400, 200]
    assert csv[1] == whole[1]
    predictions = [row["prediction"] for row in whole[1]["predictions"]]
    assert np.mean(np.array(predictions) == answered.tumours["diagnosis"].head(40)) > 0.8
    row, again = whole[1]["predictions"][0], one[1]["predictions"][0]
    assert row["prediction"] == again["prediction"]
    assert row["probability_benign"] == pytest.approx(again["probability_benign"], rel=1e-5)
    assert row["probability_benign"] + row["probability_malignant"] == pytest.approx(1, abs=1e-5)
    assert "mean texture" in lacking[1]["message"]


@pytest.mark.parametrize("transform", [with_squares, without_half])
def test_a_transform_that_changes_a_tables_columns_goes_with_the_model(
    transform: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "diabetes.csv"
    table = exported.write_diabetes(path)
    exported.export_table(tmp_path / "final", tmp_path, path, "target", "regression", transform)
    table.drop(columns="target").to_csv(path, index=False)
    answers = predict(str(tmp_path / "final"), [path])
    assert np.corrcoef(answers["prediction"], table["target"])[0, 1] > 0.5


def test_a_regression_answers_in_the_units_of_its_target(answered: Answered) -> None:
    status, answer = answered.answers[-1]
    predictions, targets = np.array([row["prediction"] for row in answer["predictions"]]), answered.patients["target"]
    assert status == 200
    assert np.corrcoef(predictions, targets)[0, 1] > 0.5
    assert abs(predictions.mean() - targets.mean()) < targets.std() / 2


@pytest.mark.slow
def test_mlflow_serves_images_from_any_folder_and_opens_no_file_for_a_caller(
    digits: tuple[Path, list[nn.Module]], tmp_path: Path
) -> None:
    folder, _ = digits
    pixels, labels = exported.digit_images()
    secret = tmp_path / "secret.png"
    Image.fromarray(pixels[0, 0]).save(secret)
    images = [as_record(image[0]) for image in pixels[:50]]
    with scoring(str(folder), tmp_path) as url:
        status, answer = post(url, {"dataframe_records": images})
        path_status, path_answer = post(url, {"dataframe_records": [{"image": str(secret)}]})
        broken_status, broken_answer = post(
            url, {"dataframe_records": [images[0], {"image": base64.b64encode(b"no image").decode()}]}
        )
    predictions = [row["prediction"] for row in answer["predictions"]]
    assert status == 200 and np.mean(np.array(predictions) == labels[:50].astype(str)) > 0.7
    assert path_status == 400 and "base64" in path_answer["message"]
    assert broken_status == 400 and "row 1" in broken_answer["message"]


class Branching(nn.Module):
    """Control flow on data, which torch.export cannot take, and which changes what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs)
        return outputs if inputs.sum().item() > 0 else -outputs


class Guarded(Branching):
    """A look at the data which stops torch.export and changes nothing, so that a trace is right."""

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.sum().item() > 1e9:
            raise ValueError("far too large")
        outputs: Tensor = self.layer(inputs)
        return outputs


TABLE: dict[str, Any] = {
    "kind": "table",
    "task": "classification",
    "classes": ["a", "b"],
    "columns": [{"name": name, "kind": "number"} for name in "xyz"],
}


def test_a_model_that_cannot_be_exported_is_traced_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net, example = Guarded(), torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    export_model(tmp_path / "final", [net], transform=None, preparation=TABLE, temperature=1.0, example=example)
    program = load_program(tmp_path / "final" / "artifacts" / "program.ts")
    with torch.no_grad():
        assert torch.allclose(program(example.repeat(4, 1)), torch.softmax(net(example.repeat(4, 1)), 1))
    assert capfd.readouterr() == ("", "")


def test_a_model_whose_trace_would_be_wrong_is_refused_in_one_sentence(tmp_path: Path) -> None:
    example = torch.tensor([[5.0, 5.0, 5.0], [-9.0, -9.0, -9.0]])
    with pytest.raises(ExportError, match=r"neither exported .* nor traced") as refused:
        export_model(
            tmp_path / "final", [Branching()], transform=None, preparation=TABLE, temperature=1.0, example=example
        )
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


class Dividing(nn.Module):
    """Right for all but what it divides by zero."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs) / inputs[:, :1]
        return outputs


def test_a_model_that_answers_a_real_example_with_no_number_is_refused(tmp_path: Path) -> None:
    example = torch.tensor([[1.0, 2.0, 3.0], [0.0, 2.0, 1.0]])
    with pytest.raises(ExportError, match="not finite"):
        export_model(
            tmp_path / "final", [Dividing()], transform=None, preparation=TABLE, temperature=1.0, example=example
        )
    assert list(tmp_path.iterdir()) == []


class Lost(nn.Module):
    """Another net while it is exported or traced, one that gives no numbers."""

    def forward(self, inputs: Tensor) -> Tensor:
        lost = torch.jit.is_tracing() or torch.compiler.is_exporting()
        return inputs[:, :2] * (float("nan") if lost else 1.0)


def test_a_program_that_answers_with_no_number_where_the_net_does_is_refused(tmp_path: Path) -> None:
    example = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    with pytest.raises(ExportError, match="gives something else"):
        export_model(tmp_path / "final", [Lost()], transform=None, preparation=TABLE, temperature=1.0, example=example)


def _ask_alone(asked: list[tuple[str, list[dict[str, Any]]]], elsewhere: Path) -> list[Any]:
    """What MLflow's scoring server answers for each model's folder to each body, one after another.

    All in one process, which cannot import this project.
    """
    command = [sys.executable, "-I", "-c", textwrap.dedent(ALONE)]
    answer = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, cwd=elsewhere, env=bare_environment()
    )
    assert answer.returncode == 0, answer.stderr
    answers: list[Any] = json.loads(answer.stdout.splitlines()[-1])
    return answers
