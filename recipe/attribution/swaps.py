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
    codes = code_of_both(workspace, a, b, Bench(workspace, {}).folder / "code")
    common = next((code for code in codes if code.folder), Code("the present code", workspace))
    apart = [code.folder is None and run.model is not None for code, run in zip(codes, (a, b), strict=True)]
    at_hand = [code if code.folder else common for code in codes]
    data = _data_of_both(a, b, same_code=codes[0] == codes[1])
    read = list(dict.fromkeys(name for code in at_hand for name in model_settings(code.folder or workspace)))

    made = Ingredients(a.settings, data[0], at_hand[0])
    states = [State(made, model=a.model, apart=apart[0])]
    for factor, changes in _swaps(a, b, codes, at_hand, apart, data, read):
        made = replace(made, settings=swapped(made.settings, b.settings, factor.settings), **changes)
        states.append(State(made, factor))
    if len(states) > 1:
        made = replace(made, settings=b.settings)
        states[-1] = replace(states[-1], made_from=made, model=b.model, apart=apart[1])
    ends = ((states[0], a), (states[-1], b))
    prepared = {prepared_key(state.made_from): str(run.data["prepared"]) for state, run in ends}
    notes = [*_gate_notes((a, b)), *_code_notes((a, b), codes, apart, common), *_settings_notes(a, b, read)]
    return Way(Bench(workspace, prepared), tuple(states), tuple(notes))


def _swaps(
    a: PastRun,
    b: PastRun,
    codes: Sequence[Code],
    at_hand: Sequence[Code],
    apart: Sequence[bool],
    data: Sequence[Data],
    read: Sequence[str],
) -> Iterator[tuple[Factor, Mapping[str, Any]]]:
    """Each thing that differs, in the order in which it is swapped, and what becomes of data and code with it."""
    if apart[0]:
        yield Factor(CODE, codes[0].name, at_hand[0].name), {}
    for factor in settings_factors(a.settings, b.settings, read):
        yield factor, {}
    if data[0].version != data[1].version or differing(a.settings, b.settings, VERSIONED):
        named = [_version(one, both=data) for one in data]
        yield Factor(DATA, named[0], named[1], VERSIONED), {"data": data[1]}
    if at_hand[0] != at_hand[1]:
        yield Factor(CODE, at_hand[0].name, at_hand[1].name, ("sources",)), {"code": at_hand[1]}
    if a.settings.get("seed") != b.settings.get("seed"):
        yield Factor(SEED, str(a.settings.get("seed")), str(b.settings.get("seed")), ("seed",)), {}
    if apart[1]:
        yield Factor(CODE, at_hand[1].name, codes[1].name), {}


def _data_of_both(a: PastRun, b: PastRun, same_code: bool) -> tuple[Data, Data]:
    """The data of two runs. By DVC's hash of what ingest read; where that says nothing, by what it made of them."""
    read = [run.data.get("md5") for run in (a, b)]
    made = [str(run.data["prepared"]) for run in (a, b)]
    versions = [str(md5) for md5 in read] if all(read) else ["", ""]
    names = [f"data.{name}" for name in {**a.settings["data"], **b.settings["data"]}]
    if versions[0] == versions[1] and same_code and not differing(a.settings, b.settings, names):
        versions = made  # the same rows, and another split of them perhaps
    of_a, of_b = (
        Data(str(run.settings["data"]["path"]), version, md5)
        for run, version, md5 in zip((a, b), versions, read, strict=True)
    )
    return of_a, of_b


def _version(data: Data, both: Sequence[Data]) -> str:
    """What tells this version from the other: the path where that differs, and how the hash begins."""
    path = data.path if both[0].path != both[1].path else ""
    return " ".join(word for word in (path, data.version[:SHORT]) if word)


def _gate_notes(runs: Sequence[PastRun]) -> Iterator[str]:
    for run in runs:
        if run.model is None and run.reached != STAGES[-1]:
            yield f"The {run.name} got no further than {run.reached}: its model is one that it would have made."


def _code_notes(runs: Sequence[PastRun], codes: Sequence[Code], apart: Sequence[bool], common: Code) -> Iterator[str]:
    for run, code, is_apart in zip(runs, codes, apart, strict=True):
        if code.folder is None:
            how = (
                f"its registered model stands for it, beside one of the same settings and {common.name}"
                if is_apart
                else f"no registered model has it either, so {run.name} is made again with {common.name}"
            )
            yield f"The code of {run.name} could not be swapped, since {code.lack}: {how}."


def _settings_notes(a: PastRun, b: PastRun, read: Sequence[str]) -> Iterator[str]:
    names = left_out(a.settings, b.settings, read)
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"No model depends on {', '.join(names[:SHOWN])}{more}, which differ as well."
