"""Overrides compose to params.yaml; a wrong one is a sentence with the nearest right key."""

import re
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
import yaml

from recipe.dataset.preparation import NUMBER_STYLES
from recipe.errors import RecipeError, SettingsError
from recipe.settings import NUMBER, Settings, Stages, Thresholds, load_settings, parse_settings
from recipe.settings.composition import change_params, compose, compose_params
from tests.workspaces import make_workspace, recipe, run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for name in ("dvc.yaml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_committed_params_are_the_composed_defaults() -> None:
    assert yaml.safe_load((ROOT / "params.yaml").read_text()) == compose(ROOT, [])


def test_an_experiment_made_by_hand_has_the_defaults_of_conf() -> None:
    settings = Settings.model_validate(compose(ROOT, []))
    assert (Stages.default(), Thresholds.default()) == (settings.stages, settings.thresholds)


def test_params_of_an_older_version_have_the_defaults_of_conf_for_what_they_lack() -> None:
    content = compose(ROOT, ["stages.baseline.loss_at_init.seeds=7"])
    del content["stages"]["baseline"]["gradients"], content["thresholds"]["delivery"]
    del content["stages"]["baseline"]["loss_at_init"]["examples"]
    settings = parse_settings(content)
    assert settings.stages == Stages.default(baseline={"loss_at_init": {"seeds": 7}})
    assert settings.thresholds == Thresholds.default()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["sed=1"], "did you mean 'seed'"),
        (["data=mnst5k"], "did you mean 'mnist5k'"),
        (["thresholds.data.blank.max_shar=0.1"], "did you mean 'thresholds.data.blank.max_share'"),
        (["seed=-1"], "'seed' .* -1"),
        (["budget.epochs=many"], "'budget.epochs' .* 'many'"),
        (["device=tpu"], "'device' .* 'tpu'"),
        (["stages.tune.architecture.rates=[0]"], "rates.0' .* is 0, .* greater than 0"),
        (["stages.tune.optimizer.sgd=[]"], "sgd' .* it should have at least 1 item"),
        (["data=table"], "'data.path' is missing"),
        (["data=image_folder", "data.path=nowhere"], "nowhere is not there"),
        (["seed"], "has no value"),
    ],
)
def test_a_wrong_override_is_one_sentence(workspace: Path, overrides: list[str], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        compose_params(workspace, overrides)
    assert "\n" not in str(caught.value)
    assert not (workspace / "params.yaml").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("metrics=mse", "'mse' is none of accuracy, balanced_accuracy, F1, AUC and R2, MAE, RMSE"),
        ("metrics=[f1,r2]", "accuracy, balanced_accuracy, F1, AUC are of classes, R2, MAE, RMSE of quantities"),
        ("metrics=[f1,F1]", "a metric is named twice"),
        ("metrics=[]", "it is a name, or a list of them of which the first decides, such as [F1,AUC]"),
        ("metrics=3", "it is a name, or a list of them"),
    ],
)
def test_a_wrong_metric_is_one_sentence(workspace: Path, override: str, words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        compose(workspace, [override])


def test_folds_of_what_is_split_by_time_are_refused(workspace: Path) -> None:
    with pytest.raises(SettingsError, match=r"budget\.folds would train on what comes after") as caught:
        compose(workspace, ["data=digits", "budget.folds=5", "data.split.by=time"])
    assert "\n" not in str(caught.value)


def test_metrics_are_found_however_their_letters_are_cased(workspace: Path) -> None:
    settings = parse_settings(compose(workspace, ["metrics=[f1,Accuracy,AUC]"]))
    assert settings.metrics == ("F1", "accuracy", "AUC")
    assert parse_settings(compose(workspace, ["metrics=mae"])).metrics == ("MAE",)


def test_a_foreign_target_starts_from_no_settings_and_takes_its_own(workspace: Path) -> None:
    (workspace / "nets.py").touch()
    settings = compose(workspace, ["model._target_=nets.MyNet", "model.layers=3"])
    assert settings["model"] == {"_target_": "nets.MyNet", "layers": 3}


def test_a_path_in_an_override_counts_from_where_the_command_is_given(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "photos").mkdir()
    (workspace / "mine").mkdir()
    monkeypatch.chdir(elsewhere)
    outside = compose(workspace, ["data=image_folder", "data.path=photos"])
    monkeypatch.chdir(workspace)
    inside = compose(workspace, ["data=image_folder", "data.path=./mine"])
    assert outside["data"]["path"] == str(elsewhere / "photos")
    assert inside["data"]["path"] == "mine"


def test_a_file_of_weights_becomes_a_dependency_and_counts_from_where_the_command_is_given(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for folder in (elsewhere, workspace):
        (folder / "net, final.pt").touch()
    monkeypatch.chdir(elsewhere)
    outside = compose(workspace, ["pretrained=net, final.pt"])
    monkeypatch.chdir(workspace)
    inside = compose(workspace, ["pretrained=./net, final.pt"])
    assert outside["pretrained"] == outside["sources"]["pretrained"] == str(elsewhere / "net, final.pt")
    assert inside["pretrained"] == inside["sources"]["pretrained"] == "net, final.pt"
    compose_params(workspace, ["pretrained=net, final.pt"])
    change_params(workspace, ["pretrained=null"])
    assert load_settings(workspace).sources.pretrained == "recipe/training/weights.py"


def test_a_registered_model_to_start_from_is_named_by_its_version(workspace: Path) -> None:
    settings = compose(workspace, ["pretrained=models:/digits/3"])
    assert settings["pretrained"] == "models:/digits/3"
    assert settings["sources"]["pretrained"] == "recipe/training/weights.py"
    with pytest.raises(SettingsError, match="by its version"):
        compose(workspace, ["pretrained=models:/digits@champion"])


def test_weights_that_are_not_there_or_that_the_run_itself_makes_are_refused(workspace: Path) -> None:
    with pytest.raises(SettingsError, match="is no file: give one of weights"):
        compose(workspace, ["pretrained=nowhere.pt"])
    program = workspace / "models" / "final" / "artifacts" / "program.pt2"
    program.parent.mkdir(parents=True)
    program.touch()
    with pytest.raises(SettingsError, match="makes in the end"):
        compose(workspace, [f"pretrained={program}"])


def test_what_ones_own_files_import_of_ones_own_becomes_a_dependency(workspace: Path) -> None:
    (workspace / "nets.py").write_text("import layers")
    (workspace / "losses.py").write_text("import layers, nets")
    (workspace / "layers.py").write_text("import blocks")
    (workspace / "blocks.py").touch()
    sources = compose(workspace, ["data=digits", "model._target_=nets.MyNet", "loss._target_=losses.mine"])["sources"]
    assert (sources["model"], sources["loss"]) == ("nets.py", "losses.py")
    assert [sources[f"imported_{place}"] for place in (1, 2, 3)] == ["blocks.py", "layers.py", "recipe/models.py"]


def test_more_modules_than_can_be_watched_are_told_with_the_remedy(workspace: Path) -> None:
    (workspace / "nets.py").write_text("import " + ", ".join(f"part{number}" for number in range(9)))
    for number in range(9):
        (workspace / f"part{number}.py").touch()
    with pytest.raises(SettingsError, match=r"9 more modules of your own \(part0, part1, .*at most 8 are watched: put"):
        compose(workspace, ["data=digits", "model._target_=nets.MyNet"])


def test_unchanged_settings_leave_the_file_untouched(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits"])
    before = path.stat().st_mtime_ns
    compose_params(workspace, ["data=digits"])
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["data=table", "data.path=patients.csv"], "patients"),
        (["data=image_folder", "data.path=photos"], "photos"),
        (["data=table", "data.path=patients.csv", "data.name=clinic"], "clinic"),
        (["data=digits"], "digits"),
    ],
)
def test_data_of_ones_own_are_named_after_their_path(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], name: str
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "patients.csv").touch()
    (workspace / "photos").mkdir()
    assert parse_settings(compose(workspace, overrides)).data.name == name


@pytest.mark.parametrize("name", ["a b", "zürich", "a(1)", "x&y#1", "it's", "a,b", "x=y", "{c}"])
def test_a_path_may_be_written_as_it_is(workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("HOME", str(workspace))
    (workspace / name).mkdir()
    assert compose(workspace, ["data=image_folder", f"data.path={name}"])["data"]["path"] == name
    assert compose(workspace, ["data=image_folder", f"data.path=~/{name}"])["data"]["path"] == name


def test_another_range_takes_the_place_of_the_one_that_is_there(workspace: Path) -> None:
    settings = compose(workspace, ["stages.tune.space.optimizer.lr={low: 1e-4, high: 1e-2}"])
    assert settings["stages"]["tune"]["space"]["optimizer"]["lr"] == {"low": 1e-4, "high": 1e-2}


def test_a_model_that_has_gone_is_missed_though_nothing_else_has_changed(workspace: Path) -> None:
    (workspace / "own_net.py").write_text("Net = dict\n", encoding="utf-8")
    words = ["data=digits", "model._target_=own_net.Net"]
    compose_params(workspace, words)
    (workspace / "own_net.py").unlink()
    with pytest.raises(RecipeError, match=r"no module named 'own_net'.* put its folder on PYTHONPATH"):
        compose_params(workspace, words)


def test_a_change_of_params_keeps_what_it_does_not_name(workspace: Path) -> None:
    compose_params(workspace, ["data=digits", "budget=quick", "seed=3", "model=mlp", "model.width=40"])
    before = yaml.safe_load((workspace / "params.yaml").read_text())

    change_params(workspace, ["retrain.approval=manual", "seed=0"])  # 0 is what conf/ has

    expected = {**before, "seed": 0, "retrain": {**before["retrain"], "approval": "manual"}}
    assert yaml.safe_load((workspace / "params.yaml").read_text()) == expected


def test_a_change_of_params_to_what_they_are_leaves_the_file_alone(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits", "optimizer.lr=0.002"])
    before = path.read_bytes()
    change_params(workspace, ["data=digits", "optimizer.lr=0.002"])
    assert path.read_bytes() == before


def test_a_change_of_params_may_choose_from_a_menu(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits", "model=mlp", "seed=3"])
    change_params(workspace, ["model=cnn"])  # the default of conf/, so that nothing there differs
    settings = yaml.safe_load(path.read_text())
    assert settings["model"]["_target_"] == "recipe.models.Cnn" and "hidden" in settings["model"]
    assert (settings["data"]["name"], settings["seed"]) == ("digits", 3)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [(["retrain.aproval=manual"], "retrain.approval"), (["retrain.approval=perhaps"], "perhaps")],
)
def test_a_wrong_change_of_params_is_one_sentence_and_changes_nothing(
    workspace: Path, overrides: list[str], words: str
) -> None:
    path = compose_params(workspace, ["data=digits"])
    before = path.read_bytes()
    with pytest.raises(RecipeError, match=words):
        change_params(workspace, overrides)
    assert path.read_bytes() == before


def test_a_change_of_params_to_another_data_set_begins_anew(workspace: Path) -> None:
    path = compose_params(workspace, ["data=breast_cancer", "seed=3", "watch.max_bad_share=0.2"])
    change_params(workspace, ["data=digits", "budget=quick"])
    assert yaml.safe_load(path.read_text()) == compose(workspace, ["data=digits", "budget=quick"])


def test_another_part_has_neither_settings_nor_source_of_the_one_before(workspace: Path) -> None:
    (workspace / "nets.py").touch()
    path = compose_params(workspace, ["data=digits", "model=resnet"])
    change_params(workspace, ["model._target_=nets.MyNet", "model.layers=3"])
    settings = yaml.safe_load(path.read_text())
    assert settings["model"] == {"_target_": "nets.MyNet", "layers": 3}
    assert settings["sources"]["model"] == "nets.py"
    change_params(workspace, ["model=mlp"])
    settings = yaml.safe_load(path.read_text())
    assert settings["model"] == compose(workspace, ["data=digits", "model=mlp"])["model"]
    assert settings["sources"]["model"] == "recipe/models.py"


def test_what_follows_a_setting_follows_its_change_back(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits", "watch.max_bad_share=0.3"])
    change_params(workspace, ["watch.max_bad_share=0.5"])  # as conf/ has it
    assert yaml.safe_load(path.read_text()) == compose(workspace, ["data=digits"])


def test_a_range_to_search_is_added_and_taken_out(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits"])
    name = "stages.tune.space.augment.degrees"
    change_params(workspace, ["~stages.tune.space.optimizer.lr", f"+{name}={{low: 0, high: 20}}"])
    space = yaml.safe_load(path.read_text())["stages"]["tune"]["space"]
    assert space["augment"]["degrees"] == {"low": 0, "high": 20}
    assert "lr" not in space["optimizer"]


def test_a_setting_of_a_part_of_ones_own_is_changed(workspace: Path) -> None:
    path = compose_params(workspace, ["data=digits", "loss._target_=torch.nn.HuberLoss", "loss.delta=2.0"])
    change_params(workspace, ["loss.delta=3.0"])
    assert yaml.safe_load(path.read_text())["loss"] == {"_target_": "torch.nn.HuberLoss", "delta": 3.0}


def test_params_are_changed_where_conf_alone_is_not_whole(workspace: Path, tmp_path: Path) -> None:
    config = workspace / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("- data: mnist5k", "- data: table"))
    table = tmp_path / "rows.csv"
    table.write_text("a,label\n1,x\n")
    path = compose_params(workspace, [f"data.path={table}"])
    change_params(workspace, ["seed=3"])
    settings = yaml.safe_load(path.read_text())
    assert (settings["data"]["path"], settings["seed"]) == ("rows.csv", 3)


def broken_conf(workspace: Path, kind: str) -> None:
    if kind == "missing":
        shutil.rmtree(workspace / "conf")
    else:
        (workspace / "conf" / "stages" / "tune.yaml").write_text("stages: [\n")


@pytest.mark.parametrize("kind", ["missing", "no YAML"])
def test_a_conf_that_cannot_be_read_is_one_sentence_and_only_where_it_is_read(tmp_path: Path, kind: str) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    settings = compose(ROOT, [])
    broken_conf(workspace, kind)
    load = "from pathlib import Path; from recipe.settings import load_settings; load_settings(Path.cwd())"
    (workspace / "params.yaml").write_text(yaml.safe_dump(settings))
    assert run(workspace, sys.executable, "-c", load).returncode == 0
    del settings["thresholds"]["tune"]
    (workspace / "params.yaml").write_text(yaml.safe_dump(settings))
    done = recipe(workspace, "retrain")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    done = recipe(workspace, "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("name", ["Größe", "Temp °C", "price €", "Größe (cm)", "a=b", "it's", "x, y", "null space"])
def test_a_column_is_named_as_its_file_has_it(workspace: Path, name: str) -> None:
    rows = [f"data.label={name}", f"data.group_column={name}", f"data.split_column={name}"]
    by_time = ("data.split.by=time", f"data.split.column={name}")
    assert parse_settings(compose(workspace, ["data=digits", *by_time])).data.split.column == name
    settings = parse_settings(compose(workspace, ["data=digits", *rows, f"data.read_as.{name}=category"])).data
    assert (settings.label, settings.group_column, settings.split_column) == (name, name, name)
    assert settings.read_as == {name: "category"}
    decomposed = unicodedata.normalize("NFD", name)
    assert parse_settings(compose(workspace, ["data=digits", f"data.label={decomposed}"])).data.label == name


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[Sample Number,price €]", ("Sample Number", "price €")),
        ("['a,b',-999]", ("a,b", "-999")),
        ("[a]", ("a",)),
        ("[]", ()),
        ('["it\'s", x]', ("it's", "x")),
    ],
)
def test_lists_hold_any_text(workspace: Path, written: str, words: tuple[str, ...]) -> None:
    settings = parse_settings(compose(workspace, ["data=digits", f"data.ignore={written}", f"data.missing={written}"]))
    assert settings.data.ignore == settings.data.missing == words


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.read_as.x=category,", "'x' is read as number, category or date"),
        ("data.read_as.x=12", "'x' is read as number, category or date"),
        ("data.read_as.x=%Q", "'x' is read as number, category or date"),
        ("data.missing=NA", "it should be a list"),
        ("data.read_as.x", "has no value"),
        ("data.read_as.=number", "has no value"),
    ],
)
def test_a_wrong_way_to_read_a_column_is_one_sentence(workspace: Path, override: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        compose(workspace, ["data=digits", override])


def test_a_change_of_how_one_column_is_read_keeps_the_others(workspace: Path) -> None:
    compose_params(workspace, ["data=digits", "data.read_as.zip=category"])
    change_params(workspace, ["data.read_as.when (UTC)=%d/%m/%Y"])
    assert load_settings(workspace).data.read_as == {"zip": "category", "when (UTC)": "%d/%m/%Y"}


def test_a_style_of_numbers_that_the_settings_take_is_one_that_is_read() -> None:
    written = [f"1{thousands}234{decimal}5" for thousands in ("", " ", ",", ".", "'") for decimal in ",."]
    assert {style for style in written if NUMBER.fullmatch(style)} == set(NUMBER_STYLES)


def test_files_that_people_write_bit_by_bit_begin_empty_and_are_left_alone(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    decisions = workspace / "data" / "decisions.csv"
    compose_params(workspace, ["data=digits"])
    assert decisions.read_text() == "id,action,value,why\n"
    decisions.write_text("id,action,value,why\na,drop,,\n")
    compose_params(workspace, ["data=digits"])
    assert decisions.read_text().endswith("a,drop,,\n")
    decisions.unlink()
    change_params(workspace, [])
    assert decisions.read_text() == "id,action,value,why\n"
