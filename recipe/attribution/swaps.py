"""The way from one run to another: the runs between them, each with one more thing as the other has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe.attribution.factors import (
    CODE,
    DATA,
    SEED,
    SHOWN,
    VERSIONED,
    Factor,
    differing,
    left_out,
    settings_factors,
    swapped,
)
from recipe.attribution.past_code import Code, code_of_both
from recipe.attribution.reruns import Bench, Data, Ingredients, prepared_key
from recipe.report.findings import STAGES
from recipe.tracking.past_runs import SHORT, PastRun
from recipe.versioning.provenance import model_settings


@dataclass(frozen=True, eq=False)
class State:
    """A run on the way: what was swapped last, what it is made from, and where its registered model lies, if any.

    `apart` says that this model alone holds its code, which is at hand no more: it cannot be made again.
    """

    made_from: Ingredients
    factor: Factor | None = None
    model: str | None = None
    apart: bool = False


@dataclass(frozen=True)
class Way:
    """The states from the one run to the other, where they are made, and what a person should know of them."""

    bench: Bench
    states: tuple[State, ...]
    notes: tuple[str, ...]


def way_between(workspace: Path, a: PastRun, b: PastRun) -> Way:
    """From `a` to `b`: the settings part by part, the data's version, the code, the seed; `a` alone if none differs.

    Where the code of a run is at hand no more, its registered model stands for it: what that code does is what lies
    between the model and one of the same settings under the code that is at hand.

    Raises:
        WorkspaceError: the disk cannot be written.
    """
    first, last = _ends(workspace, a, b)
    folders = [end.at_hand.folder or workspace for end in (first, last)]
    read = list(dict.fromkeys(name for folder in folders for name in model_settings(folder)))

    made = Ingredients(a.settings, first.data, first.at_hand)
    states = [State(made, model=a.model, apart=first.is_apart)]
    for factor, changes in _swaps(first, last, read):
        made = replace(made, settings=swapped(made.settings, b.settings, factor.settings), **changes)
        states.append(State(made, factor))
    if len(states) > 1:
        made = replace(made, settings=b.settings)
        states[-1] = replace(states[-1], made_from=made, model=b.model, apart=last.is_apart)
    prepared = {
        prepared_key(state.made_from): str(run.data["prepared"]) for state, run in ((states[0], a), (states[-1], b))
    }
    notes = (*_gate_notes(a), *_gate_notes(b), *_code_notes(first), *_code_notes(last), *_settings_notes(a, b, read))
    return Way(Bench(workspace, prepared), tuple(states), notes)


@dataclass(frozen=True)
class _End:
    """A run at one end of the way: the code it was made by, that which it can be made again with, and its data."""

    run: PastRun
    code: Code
    at_hand: Code
    data: Data

    @property
    def is_apart(self) -> bool:
        """Whether its registered model alone holds its code."""
        return self.code.folder is None and self.run.model is not None


def _ends(workspace: Path, a: PastRun, b: PastRun) -> tuple[_End, _End]:
    """Both runs; one whose code is gone is made again with the other's, or else with the present code."""
    code_a, code_b = code_of_both(workspace, a, b, Bench(workspace, {}).folder / "code")
    common = next((code for code in (code_a, code_b) if code.folder), Code("the present code", workspace))
    data_a, data_b = _data_of_both(a, b, same_code=code_a == code_b)
    return (
        _End(a, code_a, code_a if code_a.folder else common, data_a),
        _End(b, code_b, code_b if code_b.folder else common, data_b),
    )


def _swaps(first: _End, last: _End, read: Sequence[str]) -> Iterator[tuple[Factor, Mapping[str, Any]]]:
    """Each thing that differs, in the order in which it is swapped, and what becomes of data and code with it."""
    a, b = first.run.settings, last.run.settings
    if first.is_apart:
        yield Factor(CODE, first.code.name, first.at_hand.name), {}
    for factor in settings_factors(a, b, read):
        yield factor, {}
    if first.data.version != last.data.version or differing(a, b, VERSIONED):
        named = _versions(first.data, last.data)
        yield Factor(DATA, *named, VERSIONED), {"data": last.data}
    if first.at_hand != last.at_hand:
        yield Factor(CODE, first.at_hand.name, last.at_hand.name, ("sources",)), {"code": last.at_hand}
    if a.get("seed") != b.get("seed"):
        yield Factor(SEED, str(a.get("seed")), str(b.get("seed")), ("seed",)), {}
    if last.is_apart:
        yield Factor(CODE, last.at_hand.name, last.code.name), {}


def _data_of_both(a: PastRun, b: PastRun, same_code: bool) -> tuple[Data, Data]:
    """The data of two runs. By DVC's hash of what ingest read; where that says nothing, by what it made of them."""
    read_a, read_b = a.data.get("md5"), b.data.get("md5")
    version_a, version_b = (str(read_a), str(read_b)) if read_a and read_b else ("", "")
    names = [f"data.{name}" for name in {**a.settings["data"], **b.settings["data"]}]
    if version_a == version_b and same_code and not differing(a.settings, b.settings, names):
        version_a, version_b = str(a.data["prepared"]), str(b.data["prepared"])  # perhaps another split of the same
    return (
        Data(str(a.settings["data"]["path"]), version_a, read_a),
        Data(str(b.settings["data"]["path"]), version_b, read_b),
    )


def _versions(a: Data, b: Data) -> tuple[str, str]:
    """What tells the two versions apart: the path where that differs, and how the hash begins."""
    if a.path == b.path:
        return a.version[:SHORT], b.version[:SHORT]
    return f"{a.path} {a.version[:SHORT]}".strip(), f"{b.path} {b.version[:SHORT]}".strip()


def _gate_notes(run: PastRun) -> Iterator[str]:
    if run.model is None and run.reached != STAGES[-1]:
        yield f"The {run.name} got no further than {run.reached}: its model is one that it would have made."


def _code_notes(end: _End) -> Iterator[str]:
    if end.code.folder is None:
        how = (
            f"its registered model stands for it, beside one of the same settings and {end.at_hand.name}"
            if end.is_apart
            else f"no registered model has it either, so {end.run.name} is made again with {end.at_hand.name}"
        )
        yield f"The code of {end.run.name} could not be swapped, since {end.code.lack}: {how}."


def _settings_notes(a: PastRun, b: PastRun, read: Sequence[str]) -> Iterator[str]:
    names = left_out(a.settings, b.settings, read)
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"No model depends on {', '.join(names[:SHOWN])}{more}, which differ as well."
