"""What names an experiment's data and code, and whose ledgers a stage in a scratch workspace uses."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from recipe.dataset.ingestion import ingest
from recipe.dataset.stored import INPUTS, PREPARED
from recipe.dataset.test_ledger import LEDGER
from recipe.evidence import judge
from recipe.models import Mlp
from recipe.pipeline.loading import identity, load_experiment, with_test
from recipe.pipeline.stage import Stage
from recipe.practices.baseline.simplify import simplify
from recipe.practices.regularize.pretrained import pretrained_changes
from recipe.runtime.workspace import write_json
from recipe.settings import load_settings
from recipe.settings.composition import compose_params
from recipe.tracking.connection import connect
from recipe.tracking.registry import RegistryError, register_model
from recipe.training.components import Component
from recipe.training.experiment import training_to_json
from recipe.training.fit import Shelf, fit
from recipe.training.handover import Memorised, memorised_to_json
from recipe.training.split import Split
from recipe.training.weights import WeightsError
from tests.exported import export_digits
from tests.workspaces import ROOT


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "workspace", "data=diabetes")


def make_workspace(workspace: Path, *overrides: str) -> Path:
    """A workspace with prepared data and no code of its own."""
    workspace.mkdir()
    for name in ("conf", "dvc.yaml", "requirements.lock"):
        (workspace / name).symlink_to(ROOT / name)
    compose_params(workspace, overrides)
    ingest(workspace, load_settings(workspace))
    return workspace


def test_inputs_that_are_prepared_otherwise_are_other_data(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(workspace)
    before = identity(workspace, settings)
    ingest(workspace, settings)
    assert identity(workspace, settings) == before
    monkeypatch.setattr("recipe.dataset.kinds.table.prepare_rows", lambda rows, preparation: np.ones((len(rows), 10)))
    ingest(workspace, settings)
    assert np.load(workspace / PREPARED / INPUTS).max() == 1
    assert identity(workspace, settings) != before


def test_an_edited_model_is_other_code_though_the_settings_name_no_source_of_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "own_net.py").write_text("from recipe.models import Mlp\n\nclass Net(Mlp): ...\n", encoding="utf-8")
    compose_params(workspace, ["data=diabetes", "model._target_=own_net.Net"])
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("model: own_net.py", "model: recipe/models.py"), encoding="utf-8")
    before = identity(workspace, load_settings(workspace))
    (workspace / "own_net.py").write_text("from recipe.models import Linear as Net\n", encoding="utf-8")
    assert identity(workspace, load_settings(workspace)) != before


def test_a_scratch_workspace_reads_the_test_set_on_the_account_of_its_home(workspace: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    shutil.copytree(workspace, scratch, symlinks=True)
    stage = Stage("squeeze", scratch, load_settings(scratch), home=workspace)
    experiment = with_test(load_experiment(stage), stage)
    assert experiment.test is not None
    assert experiment.test.note("squeeze/final_test", 66, 0.5) == 1
    assert json.loads((workspace / LEDGER).read_text())["reader"] == "squeeze/final_test"
    assert not (scratch / LEDGER).exists()


def test_a_scratch_workspace_splits_as_its_home_does(workspace: Path, tmp_path: Path) -> None:
    rows = workspace / "rows.csv"
    rows.write_text("a,label\n" + "".join(f"{row},{row * 1.5}\n" for row in range(100)), encoding="utf-8")
    compose_params(workspace, ["data=table", f"data.path={rows}"])
    ingest(workspace, load_settings(workspace))
    (known,) = [path for path in (workspace / ".recipe" / "splits").iterdir() if path.name.startswith("rows")]
    scratch = workspace / ".recipe" / "check" / "one"
    scratch.mkdir(parents=True)
    settings = load_settings(workspace)
    absolute = settings.model_copy(update={"data": settings.data.model_copy(update={"path": str(rows)})})
    ingest(scratch, absolute, home=workspace)
    assert [path for path in (workspace / ".recipe" / "splits").iterdir() if path.name.startswith("rows")] == [known]


@pytest.mark.parametrize(
    ("overrides", "low", "high"),
    [
        (("data=digits",), 0.0, 1.0),
        (("data=digits", "data.transform._target_=tests.faults.transforms.unscaled"), 0.0, 1.0),
        (("data=digits", "data.memory_limit_mb=1"), 0.0, 1.0),
        (("data=diabetes",), -6.0, 6.0),
    ],
    ids=["standardised afterwards", "the user's own transform", "inputs that stay on disk", "a table"],
)
def test_an_augmentation_gets_the_range_that_it_is_promised(
    tmp_path: Path, overrides: tuple[str, ...], low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "recipe.training.prepared.BYTES_PER_FLOAT", 40
    )  # so that a megabyte is too little for the digits
    workspace = make_workspace(tmp_path / "workspace", *overrides)
    experiment = load_experiment(Stage("regularize", workspace, load_settings(workspace)))
    assert (experiment.train.rows is not None) == ("data.memory_limit_mb=1" in overrides)
    seen: list[torch.Tensor] = []

    def watched(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch)
        return batch

    plain = experiment.training.having(model=Component("model", "recipe.models.Linear"), epochs=1)
    augmented = fit(experiment, plain.having(augment=Component("augment", watched)))
    values = torch.cat(seen)
    assert low <= values.min() and values.max() <= high
    assert len(values) == len(experiment.train)
    if high == 1:
        assert values.min() == 0 and values.max() == 1
    else:
        assert abs(values.mean()) < 0.05 and abs(values.std() - 1) < 0.05
    # what changes nothing trains to the same bits, so the transform is still between it and the net
    assert torch.equal(augmented.outputs, fit(experiment, plain).outputs)


def test_an_augmentation_that_inverts_pixels_keeps_them_in_range_and_the_net_gets_them_standardised(
    tmp_path: Path,
) -> None:
    workspace = make_workspace(tmp_path / "workspace", "data=digits")
    train = load_experiment(Stage("regularize", workspace, load_settings(workspace))).train
    index = torch.arange(50)
    plain, inverted = train.batch(index)[0], train.batch(index, lambda batch: (1 - batch).clamp(0, 1))[0]
    # x -> (x - mean) / std turns 1 - x into the mirror image of x about (1 - 2 mean) / (2 std)
    assert torch.allclose(plain + inverted, (plain + inverted)[0, 0, 0, 0].expand_as(plain), atol=1e-5)


def test_an_augmentation_is_told_which_inputs_one_column_became_and_which_are_quantities(tmp_path: Path) -> None:
    rows = "".join(f"{i * 0.37},{'rgb'[i % 3]},{2000 + i % 20}-01-0{1 + i % 9},{i * 1.5}\n" for i in range(1, 120))
    (tmp_path / "rows.csv").write_text(f"size,colour,day,label\n,r,2001-01-01,1.0\n{rows}", encoding="utf-8")
    workspace = make_workspace(tmp_path / "workspace", "data=table", f"data.path={tmp_path / 'rows.csv'}")
    exp = load_experiment(Stage("regularize", workspace, load_settings(workspace)))
    owners = [name.partition("=")[0].partition(" ")[0] for name in exp.features]
    assert [("size", "colour", "day")[number] for number in exp.columns] == owners
    quantities = [name for name, quantity in zip(exp.features, exp.numeric, strict=True) if quantity]
    assert quantities == ["size", "day days"]
    augment = exp.new_augment(exp.training.having(augment=exp.augment))
    assert augment is not None
    batch = exp.train.untransformed(torch.arange(64))
    colours = [place for place, owner in enumerate(owners) if owner == "colour"]
    assert (augment(batch)[:, colours].sum(1) == 1).all()


def test_groups_and_copies_reach_the_splits_and_single_examples_do_not(workspace: Path) -> None:
    def split(table: pd.DataFrame) -> Split:
        path = workspace / "table.csv"
        table.to_csv(path, index=False)
        compose_params(workspace, ["data=table", f"data.path={path}", "data.label=label", "data.split.seed=1"])
        settings = load_settings(workspace)
        ingest(workspace, settings)
        return load_experiment(Stage("baseline", workspace, settings)).train

    random = np.random.default_rng(0)
    table = pd.DataFrame(random.standard_normal((120, 3)), columns=list("abc")).assign(label=["x", "y"] * 60)
    groups = split(table.assign(group=np.arange(120) // 10)).groups
    assert groups is not None and groups.bincount().max() == 10
    copied = split(pd.concat([table, table.iloc[:40]])).groups
    assert copied is not None and copied.bincount().max() == 2
    assert split(table).groups is None
    coarse = pd.DataFrame(random.integers(0, 3, (120, 2)), columns=list("ab")).assign(label=["x", "y"] * 60)
    assert split(coarse).groups is None  # equal by chance, not copied


def test_an_edited_import_and_another_torch_are_other_trainings(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "own_layers.py").touch()
    (workspace / "own_net.py").write_text("import own_layers\nfrom recipe.models import Mlp as Net\n", encoding="utf-8")
    compose_params(workspace, ["data=diabetes", "model._target_=own_net.Net"])
    before = identity(workspace, load_settings(workspace))
    (workspace / "own_layers.py").write_text("# edited", encoding="utf-8")
    edited = identity(workspace, load_settings(workspace))
    assert edited != before
    monkeypatch.setattr(torch, "__version__", "2.12.0")
    assert identity(workspace, load_settings(workspace)) != edited


DROPPING = """
from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape, n_outputs, dropout: float = 0.3, attn_drop: float = 0.1, width: float = 2.0):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(input_shape[0], 8), nn.ReLU(), nn.Dropout(dropout), nn.Dropout(attn_drop))
        self.head = nn.Linear(8, n_outputs)

    def forward(self, batch):
        return self.head(self.body(batch))
"""


@pytest.mark.parametrize(("own", "verdict"), [((), "pass"), (("model.dropout=0.3",), "fail")])
def test_dropout_by_default_is_off_and_dropout_that_is_asked_for_is_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: tuple[str, ...], verdict: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "dropping_nets.py").write_text(DROPPING)
    workspace = make_workspace(tmp_path / "workspace", "data=diabetes", "model._target_=dropping_nets.Net", *own)
    settings = load_settings(workspace)
    experiment = load_experiment(Stage("baseline", workspace, settings)).checked()
    assert experiment.training.model.settings["attn_drop"] == 0
    assert "width" not in experiment.training.model.settings
    finding = judge(simplify(experiment), settings.thresholds.of("baseline"))
    assert finding.verdict == verdict
    assert "attn_drop=0.1" in finding.summary


def test_weights_of_classes_are_a_list_in_the_settings_and_a_tensor_in_the_loss(tmp_path: Path) -> None:
    loss = ("loss._target_=torch.nn.CrossEntropyLoss", "loss.weight=[1,3]")
    workspace = make_workspace(tmp_path / "workspace", "data=breast_cancer", *loss)
    experiment = load_experiment(Stage("baseline", workspace, load_settings(workspace))).checked()
    outputs, targets = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    expected = torch.nn.functional.cross_entropy(outputs, targets, weight=torch.tensor([1.0, 3.0]))
    assert torch.equal(experiment.objective(outputs, targets), expected)


def test_a_registered_model_gives_its_weights_to_start_from_once_fetched_without_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    members = export_digits(tmp_path / "model")
    client = connect(uri)
    run = client.create_run(client.create_experiment("digits", artifact_location=str(tmp_path / "mlruns")))
    version = register_model(client, "digits", tmp_path / "model", run.info.run_id, {})
    workspace = make_workspace(
        tmp_path / "workspace",
        "data=digits",
        "model.width=4",
        "model.hidden=32",
        f"pretrained=models:/digits/{version}",
    )
    shutil.rmtree(tmp_path / "model")
    stage = Stage("regularize", workspace, load_settings(workspace))
    weights = load_experiment(stage).pretrained
    assert weights is not None and weights.name == f"models:/digits/{version}"
    assert all(torch.equal(weights.state[name], value) for name, value in members[0].state_dict().items())
    [program] = (tmp_path / "mlruns").rglob("program.pt2")
    program.unlink()
    again = load_experiment(stage).pretrained
    assert again is not None and again.digest == weights.digest


def test_a_registered_model_that_is_not_there_or_was_traced_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (tmp_path / "traced" / "artifacts").mkdir(parents=True)
    (tmp_path / "traced" / "artifacts" / "program.ts").touch()
    client = connect(uri)
    run = client.create_run(client.create_experiment("digits", artifact_location=str(tmp_path / "mlruns")))
    version = register_model(client, "digits", tmp_path / "traced", run.info.run_id, {})
    workspace = make_workspace(tmp_path / "workspace", "data=digits", f"pretrained=models:/digits/{version}")
    with pytest.raises(WeightsError, match="give a checkpoint of it as a file"):
        load_experiment(Stage("regularize", workspace, load_settings(workspace)))
    compose_params(workspace, ["data=digits", "pretrained=models:/digits/99"])
    with pytest.raises(RegistryError, match="registered are digits"):
        load_experiment(Stage("regularize", workspace, load_settings(workspace)))


def test_what_tune_left_beside_its_choice_comes_to_whatever_builds_on_it(workspace: Path) -> None:
    stage = Stage("squeeze", workspace, load_settings(workspace))
    own = load_experiment(stage)
    linear = own.training.having(model=Component("model", "recipe.models.Linear"), seed=7)
    write_json(workspace / "chosen" / "tune.json", training_to_json(own.training))
    assert (load_experiment(stage, "tune").searched, load_experiment(stage, "tune").others) == ((), ())

    left = {"losses": [0.5, 0.25], "others": [training_to_json(linear)]}
    write_json(workspace / "chosen" / "search.json", left)
    found = load_experiment(stage, "tune")
    assert found.searched == (0.5, 0.25)
    assert [one.parameters() for one in found.others] == [linear.parameters()]
    assert load_experiment(stage, "regularize").others == ()


def test_what_overfit_hands_over_is_as_long_as_the_part_that_is_compared_asks_for(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "digits", "data=digits", "budget.examples=200", "budget.epochs=1")
    stage = Stage("regularize", workspace, load_settings(workspace))
    own = load_experiment(stage).training
    write_json(workspace / "chosen" / "overfit.json", memorised_to_json(Memorised(own, steps=350)))
    training = load_experiment(stage, "overfit").training
    assert training.epochs == 150  # three times 350 steps, of which an epoch of 200 examples has seven


@pytest.mark.parametrize(("epochs", "most"), [(1, 40), (5, 40), (6, 84), (20, 280)])
def test_a_control_may_be_twice_as_long_as_the_least_epochs_where_those_alone_are_more_than_the_budget(
    tmp_path: Path, epochs: int, most: int
) -> None:
    words = ("data=digits", "budget.examples=200", f"budget.epochs={epochs}", "budget.most_steps=40", "budget.steps=1")
    workspace = make_workspace(tmp_path / "digits", *words)
    stage = Stage("regularize", workspace, load_settings(workspace))
    own = load_experiment(stage).training
    write_json(workspace / "chosen" / "overfit.json", memorised_to_json(Memorised(own, steps=5000)))
    experiment = load_experiment(stage, "overfit")
    assert experiment.budget.most_steps == most
    assert experiment.training.epochs == max(epochs, math.ceil(most / 7))  # an epoch of 200 examples has seven steps


def test_a_changed_file_of_weights_is_another_training(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace", "data=diabetes")
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(Mlp((10,), 1).state_dict(), workspace / f"{seed}.pt")
    digests = set()
    for seed in (0, 1):
        shutil.copy(workspace / f"{seed}.pt", workspace / "net.pt")
        compose_params(workspace, ["data=diabetes", f"pretrained={workspace / 'net.pt'}"])
        exp = load_experiment(Stage("regularize", workspace, load_settings(workspace)))
        [tuned, _] = pretrained_changes(exp)
        digests.add(Shelf(exp).key(tuned.apply(exp.training)))
    assert len(digests) == 2
