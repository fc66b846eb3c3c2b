"""Predictions from image files, folders and tables, with a model folder or a registered model."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recipe.errors import DataError
from recipe.inference.predict import ModelError, predict
from recipe.tracking.connection import connect
from recipe.tracking.decisions import enter
from recipe.tracking.registry import RegistryError, register_model
from tests import exported


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "final"
    exported.export_digits(folder)
    return folder


@pytest.fixture(scope="module")
def tumours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("tumours")
    exported.write_tumours(workspace / "tumours.csv")
    exported.export_table(workspace / "final", workspace, workspace / "tumours.csv", "diagnosis", "classification")
    return workspace


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty digits in a folder a class."""
    pixels, labels = exported.digit_images()
    for number, (image, label) in enumerate(zip(pixels[:40], labels[:40], strict=True)):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(tmp_path / "pictures" / str(label) / f"{number}.png")
    return tmp_path / "pictures"


def test_a_folder_of_images_is_predicted_and_what_cannot_be_read_is_named(digits: Path, pictures: Path) -> None:
    (pictures / "0" / "torn.png").write_bytes((pictures / "0" / "0.png").read_bytes()[:60])
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden").write_bytes(b"")
    result = predict(str(digits), [pictures])
    read = result[result["error"].isna()]
    assert len(result) == 42 and len(read) == 40
    assert np.mean(read["prediction"] == read["path"].map(lambda path: Path(path).parent.name)) > 0.7
    assert np.allclose(read.filter(like="probability_").sum(axis=1), 1, atol=1e-5)
    torn = result[result["path"].str.endswith("torn.png")].iloc[0]
    assert "torn.png cannot be read" in torn["error"] and pd.isna(torn["prediction"])
    assert result.columns[0] == "path" and result.columns[-1] == "error"


def test_a_single_image_is_predicted_as_in_a_batch(digits: Path, pictures: Path) -> None:
    together = predict(str(digits), [pictures])
    path = Path(together["path"].iloc[0])
    alone = predict(str(digits), [path])
    assert alone["prediction"].tolist() == [together["prediction"].iloc[0]]


def test_the_rows_of_a_csv_are_predicted_with_a_torn_row_named_in_its_place(tumours: Path, tmp_path: Path) -> None:
    lines = (tumours / "tumours.csv").read_text().splitlines()
    torn = tmp_path / "rows.csv"
    torn.write_text("\n".join([*lines[:3], "1,2", *lines[3:31]]))
    result = predict(str(tumours / "final"), [torn])
    truth = pd.read_csv(tumours / "tumours.csv")["diagnosis"].head(30)
    assert result["row"].tolist() == list(range(31))
    assert result.loc[result["error"].notna(), "row"].tolist() == [2]
    assert np.mean(result["prediction"].dropna().to_numpy() == truth.to_numpy()) > 0.8


def test_a_parquet_file_and_a_csv_of_the_same_rows_get_the_same_predictions(tumours: Path, tmp_path: Path) -> None:
    pd.read_csv(tumours / "tumours.csv").to_parquet(tmp_path / "rows.parquet")
    result = predict(str(tumours / "final"), [tmp_path / "rows.parquet", tumours / "tumours.csv"])
    of_parquet, of_csv = (part.drop(columns="path").reset_index(drop=True) for _, part in result.groupby("path"))
    pd.testing.assert_frame_equal(of_parquet, of_csv)


def test_a_table_that_is_none_is_named_and_the_next_one_predicted(tumours: Path, digits: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    result = predict(str(tumours / "final"), [tmp_path / "empty.csv", tumours / "tumours.csv"])
    assert "empty.csv is empty" in result["error"].iloc[0]
    assert result["prediction"].notna().sum() == 569


@pytest.mark.parametrize(
    ("content", "named"), [("a,b\n1,2\n", "mean radius"), ("mean radius,size\n1,small\n", "mean texture")]
)
def test_a_table_without_the_models_columns_is_refused(tumours: Path, tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match=named):
        predict(str(tumours / "final"), [tmp_path / "rows.csv"])


def test_an_input_that_is_not_there_is_one_sentence(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no .*nothing\.png"):
        predict(str(digits), [tmp_path / "nothing.png"])


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no exported model"):
        predict(str(tmp_path), [tmp_path])


def test_a_registered_model_is_found_by_name_version_and_alias(
    digits: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = connect(uri)
    run = client.create_run(client.create_experiment("digits", artifact_location=str(tmp_path / "mlruns")))
    version = register_model(client, "digits", digits, run.info.run_id, {"test": "0.98"})
    assert register_model(client, "digits", digits, run.info.run_id, {}) == version
    enter(client, "digits", version)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    expected = predict(str(digits), [pictures])
    for name in ("digits", f"models:/digits/{version}", "models:/digits@champion"):
        pd.testing.assert_frame_equal(predict(name, [pictures]), expected)
    with pytest.raises(RegistryError, match="registered are digits"):
        predict("models:/faces/1", [pictures])


def test_a_name_without_a_registry_is_one_sentence(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ModelError, match="MLFLOW_TRACKING_URI"):
        predict("digits", [pictures])


def test_python_that_a_model_folder_brings_is_not_run(digits: Path, pictures: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(digits, model)
    for name in ("serving.py", "artifacts/preparation.py", "artifacts/inference.py"):
        (model / name).write_text(f"open({str(tmp_path / 'harm')!r}, 'w')")
    assert predict(str(model), [pictures])["prediction"].notna().all()
    assert not (tmp_path / "harm").exists()


def test_where_nothing_can_be_read_the_first_reason_is_the_answer(digits: Path, tumours: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"notes\.txt cannot be read"):
        predict(str(digits), [tmp_path / "notes.txt"])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty\.csv is empty"):
        predict(str(tumours / "final"), [tmp_path / "empty.csv"])


def test_a_table_that_does_not_fit_costs_the_others_nothing(tumours: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    result = predict(str(tumours / "final"), [tmp_path / "other.csv", tumours / "tumours.csv"])
    assert "does not fit the model: The input lacks" in result["error"].iloc[0]
    assert result["prediction"].notna().sum() == 569


def test_cells_that_are_not_written_as_in_training_are_counted(
    tumours: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = pd.read_csv(tumours / "tumours.csv", dtype="str").head(3)
    rows.loc[:, "mean radius"] = ["abc", "17,99", "20.57"]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert predict(str(tumours / "final"), [tmp_path / "rows.csv"])["error"].isna().all()
    (record,) = caplog.records
    assert "2 cells of 'mean radius' hold no number such as 1234.5, as in training" in record.getMessage()
    assert "the first is 'abc'" in record.getMessage()
