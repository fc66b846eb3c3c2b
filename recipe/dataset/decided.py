"""What a person has decided about single examples, carried out while the data set is prepared."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset.clusters import tied_together
from recipe.dataset.counted import counted
from recipe.dataset.labels import label_numbers
from recipe.dataset.manifest import DECIDED, Examples, Rejected, Task
from recipe.dataset.splits import SPLITS
from recipe.dataset.store import RowWriter
from recipe.dataset.target_scale import on_scale
from recipe.errors import DataError
from recipe.settings import Data, nearest

RELABEL, DROP, KEEP, GROUP = ACTIONS = ("relabel", "drop", "keep", "group")
DONE = {RELABEL: "relabelled", DROP: "dropped", KEEP: "kept as they are", GROUP: "put in a group"}
ROWS_AT_ONCE = 4_096  # of stored inputs that are copied at a time


@dataclass(frozen=True)
class Decision:
    """A line of the file: which example, what is to be done, its label or group, and why; `line` is its place there."""

    id: str
    action: str  # one of ACTIONS
    value: str = ""
    why: str = ""
    line: int = 0


@dataclass(frozen=True)
class Decisions:
    """The lines of a file, and what the file is called in a sentence."""

    file: str = ""
    lines: tuple[Decision, ...] = ()

    def of(self, action: str, ids: Collection[str]) -> dict[str, Decision]:
        """By id the decisions of one kind on examples among `ids`."""
        return {one.id: one for one in self.lines if one.action == action and one.id in ids}


@dataclass(frozen=True)
class Corrected:
    """The examples with what was decided carried out, and the split (N,) of each."""

    examples: Examples
    splits: pd.Series
    notes: list[str] = field(default_factory=list)


def grouped(examples: Examples, decisions: Decisions) -> Examples:
    """The examples in the groups that were decided on, before they are split; a decided group replaces a given one."""
    groups = decisions.of(GROUP, set(examples.manifest["id"]))
    if not groups:
        return examples
    manifest = examples.manifest
    decided = manifest["id"].map({id: one.value for id, one in groups.items()}).astype("str")
    return replace(examples, manifest=manifest.assign(group=decided.where(decided.notna(), manifest["group"])))


def gathered(splits: pd.Series, manifest: pd.DataFrame, decisions: Decisions) -> pd.Series:
    """The splits (N,), with each decided group, and the copies of its members, in one.

    Where the ledger has them apart they all go to the first of train, validation and test that has one of them: what
    was trained on is no test example any more. The ledger stays as it is, so that without the line all is as before.
    """
    groups = decisions.of(GROUP, set(manifest["id"]))
    if not groups:
        return splits
    units = tied_together(manifest)
    concerned = units.isin(units[manifest["id"].isin(list(groups))])
    first = splits.map(SPLITS.index).groupby(units).transform("min")
    return splits.where(~concerned, first.map(dict(enumerate(SPLITS)))).astype("str")


def carried_out(
    examples: Examples, splits: pd.Series, decisions: Decisions, data: Data, inputs: Path, where: object
) -> Corrected:
    """The examples without those that were dropped, with the labels that were decided on, once they are split.

    So neither moves another example to another split. `manifest.decided` then names the action of each example that a
    line is about.

    Args:
        inputs: the stored inputs (N, ...), rewritten where an example is dropped; not there where they are yet to be
            made from `examples.rows`.

    Raises:
        DataError: a label is none of the data set's, or a split has no example left.
    """
    if not decisions.lines:
        return Corrected(examples, splits)
    ids = set(examples.manifest["id"])
    _require_labels(decisions, examples, data)
    examples = _relabelled(_marked(examples, decisions, ids), decisions.of(RELABEL, ids))
    dropped = decisions.of(DROP, ids)
    if dropped:
        examples, splits = _without(examples, splits, dropped, inputs)
    for name in SPLITS:
        if not (splits == name).any():
            raise DataError(f"By {decisions.file} no example of {where} is left for {name}: drop or group fewer.")
    return Corrected(examples, splits, list(_notes(decisions, ids, data.name)))


def label_fault(value: str, task: Task, labels: Collection[str], scale: str | None) -> str:
    """Why `value` is no label of a data set, as the end of a sentence; empty where it is one.

    A new class is no correction: one example of it could not be learnt, and a slip of the pen would make one.

    Args:
        labels: those that the data set has; of no concern to a regression, which takes any number.
        scale: `data.target`, see recipe/dataset/target_scale.py.
    """
    if task == "classification":
        return "" if value in labels else f"no label of the data set{nearest(value, sorted(labels))}"
    number = label_numbers(pd.Series([value], dtype="str"))
    if np.isnan(number[0]):
        return "no number, as a regression needs one, such as 12.5"
    return "not positive, as data.target=log needs it" if np.isnan(on_scale(number, {"scale": scale}))[0] else ""


def contradict(first: Decision, second: Decision) -> bool:
    """Whether two decisions on one example exclude each other: a group goes with a label or with being kept."""
    if (first.action, first.value) == (second.action, second.value):
        return False
    actions = {first.action, second.action}
    return not (GROUP in actions and len(actions) > 1 and DROP not in actions)


def _require_labels(decisions: Decisions, examples: Examples, data: Data) -> None:
    labels = set(examples.manifest["label"])
    for one in decisions.of(RELABEL, set(examples.manifest["id"])).values():
        fault = label_fault(one.value, examples.task, labels, data.target)
        if fault:
            raise DataError(
                f"Line {one.line} of {decisions.file} relabels an example as '{one.value}', which is {fault}: mend it."
            )


def _marked(examples: Examples, decisions: Decisions, ids: Collection[str]) -> Examples:
    """With a column that names what was decided on each, missing where nothing was; of two lines the other than its
    group.
    """
    actions = {id: action for action in (GROUP, KEEP, RELABEL, DROP) for id in decisions.of(action, ids)}
    if not actions:
        return examples
    column = examples.manifest["id"].map(actions).astype("str")
    return replace(examples, manifest=examples.manifest.assign(**{DECIDED: column}))


def _relabelled(examples: Examples, relabelled: dict[str, Decision]) -> Examples:
    manifest = examples.manifest
    labels = manifest["id"].map({id: one.value for id, one in relabelled.items()}).astype("str")
    return replace(examples, manifest=manifest.assign(label=labels.where(labels.notna(), manifest["label"])))


def _without(
    examples: Examples, splits: pd.Series, dropped: dict[str, Decision], inputs: Path
) -> tuple[Examples, pd.Series]:
    """The examples that stay, and their splits; the others are rejected with what the person said."""
    manifest = examples.manifest
    stays = ~manifest["id"].isin(list(dropped)).to_numpy()
    left_out = manifest.loc[~stays, ["id", "path", "label"]].astype("str")
    rejected = [
        Rejected(path, f"decided: {dropped[id].why or 'dropped'}", DECIDED, label, id)
        for id, path, label in left_out.itertuples(index=False)
    ]
    if inputs.exists():
        _keep_rows(inputs, stays)
    rows = examples.rows[stays].reset_index(drop=True) if len(examples.rows.columns) else examples.rows
    kept = replace(
        examples,
        manifest=manifest[stays].reset_index(drop=True),
        rows=rows,
        rejected=[*examples.rejected, *rejected],
    )
    return kept, splits[stays].reset_index(drop=True)


def _keep_rows(path: Path, stays: np.ndarray) -> None:
    """Rewrite an array on disk without the rows that do not stay."""
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    beside = path.with_suffix(".part")
    with RowWriter(beside, stored.shape[1:], stored.dtype) as writer:
        for start in range(0, len(stored), ROWS_AT_ONCE):
            writer.append(stored[start : start + ROWS_AT_ONCE][stays[start : start + ROWS_AT_ONCE]])
    beside.replace(path)


def _notes(decisions: Decisions, ids: Collection[str], name: str) -> Iterator[str]:
    """How many decisions were carried out, and how many are about examples that are not there."""
    done = Counter(one.action for one in decisions.lines if one.id in ids)
    if done:
        each = ", ".join(f"{done[action]:,} {DONE[action]}" for action in ACTIONS if done[action])
        yield f"Carried out {counted(done.total(), 'decision')} of {decisions.file}: {each}."
    absent = [one for one in decisions.lines if one.id not in ids]
    if absent:
        names = "names an example" if len(absent) == 1 else "name examples"
        yield (
            f"{counted(len(absent), 'decision')} of {decisions.file} {names} that {name} does not have, and "
            f"{'changes' if len(absent) == 1 else 'change'} nothing; the first is in line {absent[0].line}."
        )
