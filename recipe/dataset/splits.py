"""Splits that stay: who was assigned stays, new examples are assigned by content within their class, copies and groups
together; a split that the user gives is honoured.
"""

import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recipe.dataset.clusters import tied_together
from recipe.errors import DataError
from recipe.runtime.workspace import write_whole
from recipe.settings import Split

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "development": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
FITS = 0.5  # a unit goes to a split that lacks at least this part of it


def split_examples(
    examples: pd.DataFrame, strata: pd.Series, settings: Split, ledger: Path, where: object
) -> pd.Series:
    """The split of each example: as given, else as the ledger remembers, else assigned and written there.

    A split that the user gives without validation or test has those carved out of its training examples.

    Args:
        examples: `content_id`, `group` and `split`, the last two missing where there is none.
        strata: what is kept in proportion: the class; one value throughout for a regression.
        ledger: the Parquet file of earlier assignments.

    Raises:
        DataError: a split has an unknown name, or one would be empty.
    """
    given = named_splits(examples["split"], where)
    carved = [name for name in (VALIDATION, TEST) if name not in set(given.dropna())]
    if given.isna().all():
        open_rows = pd.Series(True, index=given.index)
    else:
        open_rows = given.isna() | (given == TRAIN) if carved else given.isna()
    allowed = (TRAIN, *carved) if carved else SPLITS
    splits = given.copy()
    if open_rows.any():
        pool = examples[open_rows]
        known = remembered(pool, ledger, allowed)
        splits[open_rows] = assign(pool, strata[open_rows], known, _shares(settings, allowed), settings.seed)
        _remember(pool, splits[open_rows], ledger)
    for name in SPLITS:
        if not (splits == name).any():
            raise DataError(
                f"No example of {where} is left for {name}: its {len(examples)} examples, with copies and groups kept "
                "together, are too few for train, validation and test; give more, or a split column of your own."
            )
    return splits


def named_splits(given: pd.Series, where: object) -> pd.Series:
    """The user's names for the splits as ours, missing where none is given.

    Raises:
        DataError: a name is not understood.
    """
    names = given.str.strip().str.lower()
    names = names.mask(names == "")
    unknown = sorted(set(names.dropna()) - set(SPLIT_NAMES))
    if unknown:
        raise DataError(
            f"The split column of {where} holds '{unknown[0]}', which is none of train, validation (val, valid, dev) "
            "and test: rename it, or set data.split_column to another name where the column is no split."
        )
    return names.map(SPLIT_NAMES).astype("str")


def _shares(settings: Split, allowed: Sequence[str]) -> dict[str, float]:
    """The share of each split that may be assigned, of the examples to assign."""
    shares = {
        TRAIN: 1 - settings.validation - settings.test,
        VALIDATION: settings.validation,
        TEST: settings.test,
    }
    total = sum(shares[name] for name in allowed)
    return {name: shares[name] / total for name in allowed}


def remembered(examples: pd.DataFrame, ledger: Path, allowed: Sequence[str]) -> pd.Series:
    """What the ledger says of each example, by its content, else by its group; missing where it says nothing."""
    nothing = pd.Series(np.nan, index=examples.index, dtype="str")
    if not ledger.is_file():
        return nothing
    entries = _read_ledger(ledger)
    entries = entries[entries["split"].isin(allowed)]
    by_content = examples["content_id"].map(entries.set_index("content_id")["split"])
    groups = entries.dropna(subset="group").drop_duplicates("group").set_index("group")["split"]
    return by_content.fillna(examples["group"].map(groups)).astype("str")


def keep_for_training(contents: Sequence[str], ledger: Path) -> None:
    """Say beforehand that examples of these contents are to train on, where nothing is said of them yet."""
    if contents:
        examples = pd.DataFrame({"content_id": list(contents), "group": pd.Series(pd.NA, range(len(contents)), "str")})
        _remember(examples, pd.Series(TRAIN, index=examples.index, dtype="str"), ledger)


def _remember(examples: pd.DataFrame, splits: pd.Series, ledger: Path) -> None:
    """Add the assignments to the ledger; what it holds already stays as it is."""
    new = examples[["content_id", "group"]].assign(split=splits)
    old = _read_ledger(ledger) if ledger.is_file() else new.iloc[:0]
    both = pd.concat([old, new], ignore_index=True).drop_duplicates("content_id").reset_index(drop=True)
    if len(both) > len(old):
        buffer = io.BytesIO()
        both.to_parquet(buffer, index=False)
        write_whole(ledger, buffer.getvalue())


def _read_ledger(ledger: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(ledger, columns=["content_id", "group", "split"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"The ledger of splits {ledger} cannot be read: restore it, or delete it to split anew."
        ) from error


def assign(
    examples: pd.DataFrame, strata: pd.Series, known: pd.Series, shares: Mapping[str, float], seed: int
) -> pd.Series:
    """The split of each example: `known` where it is set; the rest so that every stratum nears its shares.

    Copies and groups are one unit. Units of several examples go first, the largest first, each to the split that
    lacks most; single ones then fill exactly what is left, in the order of a hash of their content, so that the
    order of the rows changes nothing.
    """
    units = tied_together(examples)
    known = known.groupby(units).transform("first").where(known.isna(), known)  # a newcomer joins its group
    splits = known.copy()
    targets = _targets(strata, shares)
    have = Counter(zip(known, strata, strict=True))
    order = _hashes(examples["content_id"], seed)
    open_units = units[splits.isna()]
    size = open_units.groupby(open_units).transform("size")
    together = open_units[size > 1]
    first = order.groupby(units).min()
    members: dict[int, list[int]] = defaultdict(list)
    for row, unit in zip(together.index.tolist(), together.tolist(), strict=True):
        members[unit].append(row)
    queue = sorted(members, key=lambda unit: (-len(members[unit]), first[unit]))
    placed = _place(queue, {unit: Counter(strata[members[unit]]) for unit in queue}, targets, have)
    for unit, name in placed.items():
        splits[members[unit]] = name
    alone = size.index[size == 1]
    alone = alone[np.argsort(order[alone].to_numpy(), kind="stable")]
    for stratum, rows in strata[alone].groupby(strata[alone], sort=True):
        start = 0
        for name in (TEST, VALIDATION):
            lacking = max(0, targets.get((name, stratum), 0) - have[name, stratum])
            splits[rows.index[start : start + lacking]] = name
            start += min(lacking, len(rows) - start)
        splits[rows.index[start:]] = TRAIN
    return _filled(splits, units, known, list(shares))


def _filled(splits: pd.Series, units: pd.Series, known: pd.Series, names: Sequence[str]) -> pd.Series:
    """The same, but a split that large groups left empty has the smallest unit of the split that has most units."""
    splits = splits.copy()
    for name in names:
        if (splits == name).any():
            continue
        movable = pd.DataFrame({"unit": units, "split": splits})[known.isna()]
        donor = movable.groupby("split")["unit"].nunique().idxmax() if len(movable) else None
        sizes = movable.loc[movable["split"] == donor, "unit"].value_counts()
        if len(sizes) > 1:
            splits[units == min(sizes.index, key=lambda unit: (sizes[unit], unit))] = name
    return splits


def _targets(strata: pd.Series, shares: Mapping[str, float]) -> dict[tuple[str, str], int]:
    """How many examples of each stratum each split should have; one at least where the stratum has enough."""
    targets = {}
    for stratum, count in strata.value_counts().items():
        left = int(count) - 1  # train keeps one
        for name in (VALIDATION, TEST):
            if name in shares:
                wanted = min(left, max(1, int(shares[name] * count + 0.5)))
                targets[name, str(stratum)] = wanted
                left -= wanted
        targets[TRAIN, str(stratum)] = left + 1
    return targets


def _hashes(content: pd.Series, seed: int) -> pd.Series:
    """Where each content lies in the order of chance that `seed` stands for, uint64."""
    hashes = pd.util.hash_array(content.to_numpy(dtype=object), hash_key=f"{seed:016d}"[:16], categorize=False)
    return pd.Series(hashes, index=content.index)


def _place(
    queue: Sequence[int],
    counts: Mapping[int, Counter[str]],
    targets: Mapping[tuple[str, str], int],
    have: Counter[tuple[str, str]],
) -> dict[int, str]:
    """A split for each unit; `have` counts along.

    Of the splits that lack at least half a unit, it goes to the one that is least filled, so that all fill in
    proportion; where none does, to the one that lacks most.
    """
    names = [name for name in SPLITS if any(split == name for split, _ in targets)]
    placed: dict[int, str] = {}
    for unit in queue:
        members = counts[unit]
        lacks = {name: {s: targets[name, s] - have[name, s] for s in members} for name in names}
        room = {name: sum(min(lacks[name][s], n) for s, n in members.items()) for name in names}
        unfilled = {
            name: sum(n * lacks[name][s] / max(targets[name, s], 1) for s, n in members.items()) for name in names
        }
        fitting = [name for name in names if room[name] >= FITS * members.total()]
        placed[unit] = max(fitting, key=unfilled.__getitem__) if fitting else max(names, key=room.__getitem__)
        for stratum, n in members.items():
            have[placed[unit], stratum] += n
    return placed
