"""Programs of unknown origin: read where they hold what our own export writes, and nothing else.

torch.export.load and torch.jit.load trust what they read. torch 2.13 unpickles example inputs and tensors that a table
marks so, imports the modules that a tree of inputs names, evaluates the sizes of tensors as Python, and puts names into
Python code that it runs. So torch gets a copy that is written here, of entries and words that were looked at each, and
never the file itself: what another reader of ZIP files would see in it does not matter.
"""

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from recipe.inference.inference import TRACED_PROGRAM, Program, open_program

ROOT = "program"  # of the copy; any name will do
MOST_COMPRESSED = 2**26  # bytes of traced code once inflated: a net of a thousand layers has 2**20

# Exported programs: torch/export/pt2_archive/constants.py
WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"
GRAPH, EXAMPLES = "models/model.json", "data/sample_inputs/model.pt"
PAYLOADS = {WEIGHTS: re.compile(r"weight_\d+"), CONSTANTS: re.compile(r"tensor_\d+")}
HOUSEKEEPING = r"archive_format|archive_version|version|byteorder|\.data/version|\.data/serialization_id"
EXPORTED = re.compile(
    rf"data/weights/weight_\d+|data/constants/tensor_\d+|{HOUSEKEEPING}"
    + "".join(rf"|{re.escape(name)}" for name in (WEIGHTS, CONSTANTS, GRAPH, EXAMPLES))
)
# Traced programs: torch/csrc/jit/serialization/export_module.cpp. Neither the places in the user's sources nor the
# inputs that were traced are needed to run them.
TRACED = re.compile(
    rf"(data|constants|traced_inputs)(\.pkl|/\d+)|code/__torch__[\w/]*\.py(\.debug_pkl)?|{HOUSEKEEPING}"
)
NOT_NEEDED = re.compile(r"traced_inputs(\.pkl|/\d+)|.*\.debug_pkl")

# What a program may call. An operator of torch takes text for what its argument of that name says, and a file's name
# for nothing: aten::from_file, aten::save and whatever else takes other text is left out.
TEXT_ARGUMENTS = frozenset(
    (
        *("UPLO", "activation", "approximate", "assert_msg", "device_type", "driver", "equation", "indexing"),
        *("interpolation", "mode", "norm", "ord", "p", "pad_mode", "padding", "padding_side", "reduce"),
        *("rounding_mode", "side"),
    )
)
OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
OTHER_TARGETS = re.compile(  # arithmetic on sizes, torch/_export/serde/serialize.py:_SYM_OPS; control flow on tensors
    r"_operator\.(eq|ne|le|ge|lt|gt|neg|pos|and_|or_|add|sub|mul|truediv|floordiv|mod|pow|lshift|rshift)|math\.trunc"
    r"|torch\.(sym_float|sym_int|sym_ite|sym_max|sym_min|sym_not|_sym_sqrt)"
    r"|torch\.ops\.higher_order\.(cond|while_loop|wrap_with_set_grad_enabled|wrap_with_autocast)"
)
# One tensor in, one tensor out, as torch.utils._pytree writes it.
LEAF: Mapping[str, Any] = {"type": None, "context": None, "children_spec": []}
ONE_INPUT = {"type": "builtins.tuple", "context": "null", "children_spec": [LEAF]}
NO_KEYWORDS = {"type": "builtins.dict", "context": "[]", "children_spec": []}
TREES = {
    "in_spec": [1, {"type": "builtins.tuple", "context": "null", "children_spec": [ONE_INPUT, NO_KEYWORDS]}],
    "out_spec": [1, LEAF],
}
NAME = re.compile(r"[\w. -]*")
WORDS = re.compile(r"[^\\'\"`\x00-\x1f\x7f]{0,1000}")  # an operator's own text: einsum's equation, a message
VERSION = re.compile(r"[\w.+]*")
# What sizes are computed with: sympy's srepr of numbers and symbols, and torch/utils/_sympy/functions.py
SYMBOL = re.compile(r"[a-z]{1,3}\d+|true|false|oo|int_oo")
FUNCTIONS = frozenset(
    (
        *("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "And", "Or", "Not"),
        *("Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Eq"),
        *("Ne", "Lt", "Le", "Gt", "Ge", "FloorDiv", "ModularIndexing", "CleanDiv", "CeilDiv", "IntTrueDiv"),
        *("FloatTrueDiv", "Mod", "PythonMod", "PowByNatural", "FloatPow", "TruncToInt", "CeilToInt"),
        *("FloorToInt", "RoundToInt", "RoundDecimal", "ToFloat", "Identity", "Where"),
    )
)
EXPRESSIONS = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.Compare),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub, ast.cmpop),
)
LONGEST_EXPRESSION = 2000  # characters

# What traced code may call beside torch's operators and its own modules, and what its pickles may make: tensors, and
# objects of its own classes. torch.classes are C++ objects, which read their state as they like.
TRACED_CALLS = frozenset(("annotate", "int", "float", "bool", "getattr", "torch.device", "ops.prim.NumToTensor"))
OWN_CLASS = re.compile(r"__torch__\.(?!torch\.classes\b)[\w.]+")
METHOD = re.compile(r"forward\d*")
PICKLED = re.compile(
    r"__torch__(?! ?\.?torch\.classes\b)[\w.]* \w+|torch \w+Storage|torch\._utils _rebuild_tensor_v2"
    r"|collections OrderedDict|torch\.jit\._pickle (restore_type_tag|build_\w+list)"
)
OTHER_GLOBALS = frozenset(("INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "PERSID"))


def load_program(path: Path) -> Program:
    """The network in `path`, an exported program (.pt2) or a traced one (.ts), whoever wrote it.

    Raises:
        ValueError: it holds what our own export does not write; says what.
        OSError, RuntimeError, KeyError, zipfile.BadZipFile: it is no such file, or a broken one.
    """
    return open_program(admitted(path), path.suffix)


def admitted(path: Path) -> io.BytesIO:
    """A copy of the program in `path`, of what was found harmless.

    Raises:
        ValueError: it holds anything else.
    """
    is_traced = path.suffix == Path(TRACED_PROGRAM).suffix
    entries = _entries(path, TRACED if is_traced else EXPORTED)
    kept = _traced(entries) if is_traced else _exported(entries)
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
        for name, content in kept.items():
            archive.writestr(f"{ROOT}/{name}", content)
    copy.seek(0)
    return copy


def _entries(path: Path, known: re.Pattern[str]) -> dict[str, bytes]:
    """The entries of the archive by their names below its one root."""
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
        names = [info.filename for info in found]
        if len({name.partition("/")[0] for name in names}) != 1:
            raise ValueError("it has more than one root folder")
        if len(set(names)) != len(names):
            raise ValueError("it holds two entries of one name")
        for info in found:
            name = info.filename.partition("/")[2]
            if not known.fullmatch(name):
                raise ValueError(f"it holds {_shown(name)}, which our export does not write")
            if info.compress_type != zipfile.ZIP_STORED and not name.startswith("code/"):
                raise ValueError(f"it holds {_shown(name)} compressed")
        if sum(info.file_size for info in found if info.compress_type != zipfile.ZIP_STORED) > MOST_COMPRESSED:
            raise ValueError(f"its code has more than {MOST_COMPRESSED} bytes")
        return {info.filename.partition("/")[2]: archive.read(info) for info in found}


# Exported programs


def _exported(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    if not all(name in entries for name in (*PAYLOADS, GRAPH)):
        raise ValueError("it is not of torch's present format")
    if entries.get(EXAMPLES):
        raise ValueError(f"it holds a pickle, {EXAMPLES}")
    for name in PAYLOADS:
        _refuse_payloads(_json(entries[name]), name)
    graph = _without_metadata(_json(entries[GRAPH]))
    graph["guards_code"] = []  # Python that checks the shapes of inputs, which those of our own batches need not
    _refuse_graph(graph)
    return {**entries, GRAPH: json.dumps(graph).encode()}


def _json(content: bytes) -> Any:
    return json.loads(content.decode("utf-8"))


def _refuse_payloads(table: Any, name: str) -> None:
    """Refuse a table that names other tensors than plain ones, such as pickled ones."""
    for entry in table["config"].values():
        if entry["use_pickle"] is not False or not PAYLOADS[name].fullmatch(entry["path_name"]):
            raise ValueError(f"it holds a pickle, {_shown(entry['path_name'])}")
    for key, value in _strings(table):
        _refuse_word(key, value)


def _without_metadata(content: Any) -> Any:
    """`content` without what tells of the user's sources alone, and names objects of torch to be looked up."""
    if isinstance(content, dict):
        return {
            key: {} if key == "metadata" and isinstance(value, dict) else _without_metadata(value)
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [_without_metadata(value) for value in content]
    return content


def _refuse_graph(graph: Any) -> None:
    """Refuse a graph that names anything but operators and tensors, or holds text that could be code."""
    if graph["graph_module"].get("treespec_namedtuple_fields"):
        raise ValueError("it has inputs of a type of its own")
    for key, value in _strings(graph):
        if key == "target":
            _refuse_target(value)
        elif key == "expr_str":
            _refuse_expression(value)
        elif key in TREES:
            if json.loads(value) != TREES[key]:
                raise ValueError("it takes or gives other than one tensor")
        elif key in ("as_operator", "class_fqn"):
            raise ValueError(f"it names {_shown(value)}")
        else:
            _refuse_word(key, value)


def _strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string in JSON-like `content`, keys included, with the key that it stands under."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield "", name
            yield from _strings(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value, key)


def _refuse_target(target: str) -> None:
    operator = OPERATOR.fullmatch(target)
    known = _is_native(operator[1], operator[2]) if operator else OTHER_TARGETS.fullmatch(target)
    if not known:
        raise ValueError(f"it calls {_shown(target)}")


def _refuse_word(key: str, value: str) -> None:
    allowed = WORDS if key == "as_string" else VERSION if key == "torch_version" else NAME
    if not allowed.fullmatch(value):
        raise ValueError(f"it holds the name {_shown(value)}")


def _refuse_expression(expression: str) -> None:
    """Refuse what torch would evaluate as the size of a tensor but is no arithmetic on numbers and symbols."""
    try:
        tree = ast.parse(expression[: LONGEST_EXPRESSION + 1], mode="eval")
    except (SyntaxError, ValueError):
        raise ValueError(f"it computes {_shown(expression)}") from None
    if len(expression) > LONGEST_EXPRESSION or not all(_is_arithmetic(node) for node in ast.walk(tree)):
        raise ValueError(f"it computes {_shown(expression)}")


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Call():
            return isinstance(node.func, ast.Name)
        case ast.Name():
            return node.id in FUNCTIONS or SYMBOL.fullmatch(node.id) is not None
        case ast.Constant():
            return not isinstance(node.value, str) or SYMBOL.fullmatch(node.value) is not None
    return isinstance(node, EXPRESSIONS)


@cache
def _is_native(name: str, overload: str | None = None) -> bool:
    """Whether torch computes `aten::<name>` on tensors, in that overload or in any, and it takes no text of its own."""
    wanted = None if overload is None else "" if overload == "default" else overload
    found = [
        schema
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        if f"{schema.name}{'.' * bool(schema.overload_name)}{schema.overload_name}" in _dispatched()
        and wanted in (None, schema.overload_name)
    ]
    texts = {argument.name for schema in found for argument in schema.arguments if "str" in str(argument.type)}
    return bool(found) and texts <= TEXT_ARGUMENTS


@cache
def _dispatched() -> frozenset[str]:
    """The operators of torch's dispatcher: what TorchScript adds, such as aten::save, is none of them."""
    return frozenset(torch._C._dispatch_get_all_op_names())


# Traced programs


def _traced(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    kept = {name: content for name, content in entries.items() if not NOT_NEEDED.fullmatch(name)}
    for name, content in kept.items():
        if name.endswith(".pkl"):
            _refuse_pickle(name, content)
        elif name.endswith(".py"):
            kept[name] = _plain_code(content.decode("utf-8")).encode()
    return kept


def _refuse_pickle(name: str, content: bytes) -> None:
    """Refuse a pickle of other than tensors and the program's own modules; torch's reader in C++ runs no Python."""
    for operation, argument, _ in pickletools.genops(content):
        is_other = operation.name == "GLOBAL" and not PICKLED.fullmatch(str(argument))
        if is_other or operation.name in OTHER_GLOBALS:
            raise ValueError(f"it holds a pickle of {_shown(str(argument or operation.name))} in {name}")


def _plain_code(code: str) -> str:
    """TorchScript, which is Python in its grammar, as it was read here: without comments and other ways to read it."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not _is_known_call(node.func):
            raise ValueError(f"it calls {_shown(ast.unparse(node.func))}")
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.With, ast.Lambda)):
            raise ValueError(f"it holds {_shown(ast.unparse(node))}")
    return f"{ast.unparse(tree)}\n"


def _is_known_call(function: ast.expr) -> bool:
    """Whether traced code may call `function`: an operator of torch, one of its own modules, or a conversion."""
    name = ast.unparse(function)
    root, _, last = name.partition(".")
    if name in TRACED_CALLS or OWN_CLASS.fullmatch(name):
        return True
    if not isinstance(function, ast.Attribute):
        return False
    if root in ("torch", "ops"):
        return _is_native(last.removeprefix("aten."))
    return METHOD.fullmatch(function.attr) is not None


def _shown(text: str) -> str:
    """Text out of the file, short enough for a sentence, with nothing that a terminal would obey."""
    return ascii(text)[1:-1][:80]
