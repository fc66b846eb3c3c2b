"""Programs of unknown origin: whatever our own export does not write is refused before torch reads it."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._export.serde.schema import SCHEMA_VERSION

from recipe.cli import run_command
from recipe.inference.export import write_program
from recipe.inference.predict import ModelError, load_folder
from recipe.inference.safe_loading import load_program
from tests import exported

Entries = list[tuple[str, bytes]]
ROOT = "program/"
GRAPH, WEIGHTS = f"{ROOT}models/model.json", f"{ROOT}data/weights/model_weights_config.json"
CONSTANTS, EXAMPLES = f"{ROOT}data/constants/model_constants_config.json", f"{ROOT}data/sample_inputs/model.pt"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "final"
    exported.export_digits(folder, members=1)
    return folder


@pytest.fixture
def harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that every evil program here would write, from the folder that it is read in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "harm"


class Evil:
    """Unpickled, it writes the file `harm`."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, ("harm",)


def pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save(Evil(), buffer)
    return buffer.getvalue()


def test_the_pickle_of_these_tests_does_write_its_file(harm: Path) -> None:
    torch.load(io.BytesIO(pickled()), weights_only=False)

    assert harm.exists()


# Archives


def legacy_before(own: Entries) -> Entries:
    """The format before torch 2.8, all pickles, which torch falls back to; then the good program."""
    evil = {f"serialized_{part}.pt": pickled() for part in ("state_dict", "constants", "example_inputs")}
    version = ".".join(str(number) for number in SCHEMA_VERSION).encode()
    evil |= {"version": version, "serialized_exported_program.json": dict(own)[GRAPH]}
    return [*evil.items(), *own]


def with_pickled_weight(own: Entries) -> Entries:
    table = json.loads(dict(own)[WEIGHTS])
    next(iter(table["config"].values())).update(use_pickle=True, path_name="weight_0")
    return with_entry(own, WEIGHTS, json.dumps(table).encode())


def with_opaque_constant(own: Entries) -> Entries:
    table = json.loads(dict(own)[CONSTANTS])
    table["config"]["evil"] = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False, "tensor_meta": None}
    return with_entry(own, CONSTANTS, json.dumps(table).encode())


def with_entry(own: Entries, name: str, content: bytes) -> Entries:
    return [(entry, content if entry == name else kept) for entry, kept in own]


ARCHIVES: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "an evil root before the good one": (
        lambda own: [(name.replace(ROOT, "evil/"), content) for name, content in own] + own,
        "more than one root",
    ),
    "an old format before the good one": (legacy_before, "more than one root"),
    "an old format alone": (lambda own: legacy_before(own)[:5], "root folder"),
    "a second entry of one name, first": (lambda own: [(EXAMPLES, pickled()), *own], "two entries of one name"),
    "a second entry of one name, last": (lambda own: [*own, (EXAMPLES, pickled())], "two entries of one name"),
    "pickled examples": (lambda own: with_entry(own, EXAMPLES, pickled()), "it holds a pickle"),
    "a pickled weight": (with_pickled_weight, "it holds a pickle, weight_0"),
    "an opaque constant": (with_opaque_constant, "it holds a pickle, opaque_obj_0"),
    "weights of the old format": (
        lambda own: [*own, (f"{ROOT}data/weights/model.pt", pickled())],
        r"it holds data/weights/model\.pt, which our export does not write",
    ),
    "a compiled library": (
        lambda own: [*own, (f"{ROOT}data/aotinductor/model/model.so", b"\x7fELF")],
        "which our export does not write",
    ),
    "a second model": (lambda own: [*own, (f"{ROOT}models/other.json", b"{}")], "which our export does not write"),
    "a path out of the archive": (lambda own: [*own, (f"{ROOT}../harm", b"")], "which our export does not write"),
    "no graph": (lambda own: [entry for entry in own if entry[0] != GRAPH], "not of torch's present format"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_our_export_does_not_write_is_refused(digits: Path, harm: Path, case: str) -> None:
    craft, reason = ARCHIVES[case]
    model = tampered(digits, harm.parent, craft)

    with pytest.raises(ModelError, match=reason) as refused:
        load_folder(model)

    assert "\n" not in str(refused.value)
    assert not harm.exists()


# Graphs


def signature(graph: Any) -> Any:
    return graph["graph_module"]["module_call_graph"][0]["signature"]


def from_file(graph: Any) -> None:
    """Put an operator that maps a file into memory, and makes it where there is none, into the middle."""
    body = graph["graph_module"]["graph"]
    arguments: dict[str, dict[str, object]] = {
        "filename": {"as_string": "harm"},
        "shared": {"as_bool": True},
        "size": {"as_int": 10},
    }
    inputs = [{"name": name, "arg": value, "kind": 1} for name, value in arguments.items()]
    node = {**body["nodes"][-1], "target": "torch.ops.aten.from_file.default", "inputs": inputs, "name": "evil"}
    body["nodes"].insert(1, {**node, "outputs": [{"as_tensor": {"name": "evil"}}]})
    body["tensor_values"]["evil"] = {
        **body["tensor_values"]["batch"],
        "sizes": [{"as_int": 10}],
        "strides": [{"as_int": 1}],
    }


def module_in_tree(graph: Any) -> None:
    """A tree of inputs with an Enum as a key, for which torch imports the module that it names."""
    protocol, tree = json.loads(signature(graph)["in_spec"])
    tree["children_spec"][1]["context"] = json.dumps({"__enum__": True, "fqn": "evil_module:Key", "name": "a"})
    signature(graph)["in_spec"] = json.dumps([protocol, tree])


def expression(text: str) -> Callable[[Any], None]:
    def craft(graph: Any) -> None:
        graph["graph_module"]["graph"]["tensor_values"]["batch"]["sizes"][0]["as_expr"]["expr_str"] = text

    return craft


def target(text: str) -> Callable[[Any], None]:
    return lambda graph: graph["graph_module"]["graph"]["nodes"][0].update(target=text)


def operator_argument(graph: Any) -> None:
    graph["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_operator": "torch.os.system"}


def code_for_a_name(graph: Any) -> None:
    signature(graph)["forward_arg_names"] = ["batch=open('harm', 'w')"]


GRAPHS: dict[str, tuple[Callable[[Any], None], str]] = {
    "calls the system": (target("torch.os.system"), r"it calls torch\.os\.system"),
    "calls what calls": (target("_operator.call"), r"it calls _operator\.call"),
    "saves": (target("torch.ops.aten.save.default"), r"it calls torch\.ops\.aten\.save"),
    "maps a file": (from_file, r"it calls torch\.ops\.aten\.from_file"),
    "uses another library": (target("torch.ops.evil.run.default"), r"it calls torch\.ops\.evil"),
    "leaves the operators": (target("torch.ops.aten.__class__.mro"), "it calls"),
    "hands a function on": (operator_argument, r"it names torch\.os\.system"),
    "imports a module": (module_in_tree, "it takes or gives other than one tensor"),
    "puts code for a name": (code_for_a_name, "it holds the name batch=open"),
    "opens a file for a size": (expression("open('harm','w')"), "it computes open"),
    "reads an attribute for a size": (expression("s2.func"), "it computes s2.func"),
    "runs a viewer for a size": (expression("preview(Symbol('s2'), viewer='xterm')"), "it computes preview"),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_that_names_more_than_operators_on_tensors_is_refused(digits: Path, harm: Path, case: str) -> None:
    craft, reason = GRAPHS[case]
    (harm.parent / "evil_module.py").write_text("open('harm', 'w')")

    def with_graph(own: Entries) -> Entries:
        graph = json.loads(dict(own)[GRAPH])
        craft(graph)
        return with_entry(own, GRAPH, json.dumps(graph).encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(harm.parent)
        with pytest.raises(ModelError, match=reason):
            load_folder(tampered(digits, harm.parent, with_graph))

    assert not harm.exists()


def test_the_command_answers_an_evil_model_in_one_sentence_with_exit_code_2(
    digits: Path, harm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tampered(digits, harm.parent, legacy_before)

    code = run_command(["predict", str(model), str(digits)])

    said = capsys.readouterr().err.strip()
    assert code == 2 and "more than one root folder" in said and "\n" not in said
    assert not harm.exists()


class Limited(nn.Module):
    """A condition on the size of a batch, for which torch writes Python code into the program."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs)
        return outputs if inputs.shape[0] < 100_000 else -outputs


class Wide(nn.Module):
    """Operators that take text, sizes that are computed, a dictionary of layers with odd names, a branch on data."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {"conv-1x1 a": nn.Conv2d(1, 2, 3, padding="same"), "b": nn.LSTM(8, 4, batch_first=True)}
        )

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.layers["conv-1x1 a"](inputs), approximate="tanh")
        hidden = torch.einsum("bchw,bcwk->bhk", hidden, hidden.transpose(2, 3))
        hidden = self.layers["b"](hidden)[0].reshape(inputs.shape[0] * 2, -1).reshape(inputs.shape[0], -1)
        shifted: Tensor = torch.cond(hidden.sum() > 0, torch.sin, torch.cos, (hidden,))
        return torch.div(shifted, 0.25, rounding_mode="floor")


@pytest.mark.parametrize("net", [Limited(), Wide()], ids=["limited", "wide"])
def test_what_our_export_writes_is_read_and_answers_as_the_net(tmp_path: Path, net: nn.Module) -> None:
    example = torch.rand(2, 3) if isinstance(net, Limited) else torch.rand(2, 1, 8, 8)

    path = write_program(net.eval(), example, tmp_path)

    assert path.name == "program.pt2"
    batch = torch.cat([example, example, example])
    with torch.no_grad():
        assert torch.allclose(load_program(path)(batch), net(batch))


# Traced programs


class Guarded(nn.Module):
    """A look at the data, which torch.export refuses, so that the net is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.sum().item() > 1e9:
            raise ValueError("far too large")
        outputs: Tensor = self.layer(inputs)
        return outputs.view(inputs.shape[0], -1)


class Saving(nn.Module):
    """TorchScript that writes a file when it is called, or as soon as it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        torch.save(inputs, "harm")
        return inputs

    @torch.jit.export
    def __getstate__(self) -> float:
        return self.scale

    @torch.jit.export
    def __setstate__(self, state: float) -> None:
        self.scale = state
        torch.save(torch.ones(1), "harm")


class Mapping(nn.Module):
    """TorchScript that makes a file of its own."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + torch.from_file("harm", shared=True, size=3)


def test_a_traced_program_is_read_and_answers_as_the_net(tmp_path: Path) -> None:
    net, example = Guarded().eval(), torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])

    program = load_program(write_program(net, example, tmp_path))

    assert (tmp_path / "program.ts").is_file()
    with torch.no_grad():
        assert torch.equal(program(example.repeat(4, 1)), net(example.repeat(4, 1)))


def test_scripted_code_that_writes_files_is_refused_before_it_is_loaded(harm: Path) -> None:
    path = harm.parent / "program.ts"
    for net, reason in ((Saving(), r"it calls torch\.save"), (Mapping(), r"it calls torch\.from_file")):
        torch.jit.save(torch.jit.script(net), str(path))
        with pytest.raises(ValueError, match=reason):
            load_program(path)
    assert not harm.exists()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("torch.save(inputs, 'harm')", r"it calls torch\.save"),
        ("inputs.save('harm')", r"it calls inputs\.save"),
        ("ops.aten.from_file('harm', True, 3)", r"it calls ops\.aten\.from_file"),
        ("getattr(torch, 'save')(inputs, 'harm')", "it calls getattr"),
        ("__torch__.torch.classes.evil.Thing()", r"it calls __torch__\.torch\.classes"),
        ("ops.profiler._record_function_enter('harm')", r"it calls ops\.profiler"),
    ],
)
def test_a_line_of_traced_code_that_is_no_operator_on_tensors_is_refused(harm: Path, line: str, reason: str) -> None:
    path = traced_with(harm.parent, lambda code: code.replace("  return ", f"  {line}\n    return ", 1))

    with pytest.raises(ValueError, match=reason):
        load_program(path)

    assert not harm.exists()


def test_a_traced_program_with_objects_of_its_own_in_its_pickle_is_refused(tmp_path: Path) -> None:
    path = traced_with(tmp_path, lambda code: code)
    evil = pickle.dumps(Evil(), protocol=2)
    rewrite(path, lambda own: [(name, evil if name.endswith("data.pkl") else kept) for name, kept in own])

    with pytest.raises(ValueError, match="it holds a pickle of posix mkdir"):
        load_program(path)


def traced_with(folder: Path, change: Callable[[str], str]) -> Path:
    """A traced program with a line of other code."""
    path = write_program(Guarded().eval(), torch.rand(2, 3), folder)

    def changed(own: Entries) -> Entries:
        return [
            (name, change(kept.decode()).encode() if Path(__file__).stem in name and name.endswith(".py") else kept)
            for name, kept in own
        ]

    rewrite(path, changed)
    return path


def tampered(model: Path, folder: Path, craft: Callable[[Entries], Entries]) -> Path:
    """A copy of `model` in `folder` with another program."""
    copy = folder / "tampered"
    (copy / "artifacts").mkdir(parents=True)
    for file in (model / "artifacts").iterdir():
        (copy / "artifacts" / file.name).write_bytes(file.read_bytes())
    rewrite(copy / "artifacts" / "program.pt2", craft)
    return copy


def rewrite(path: Path, craft: Callable[[Entries], Entries]) -> None:
    with zipfile.ZipFile(path) as archive:
        own = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in craft(own):
            archive.writestr(name, content)
