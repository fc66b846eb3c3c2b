from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipe.dataset.splits import SPLITS, split_examples
from recipe.errors import DataError
from recipe.settings import Split
from tests.dataset.conftest import Prepare

SETTINGS = Split(validation=0.15, test=0.15, seed=0)


@pytest.fixture
def split(tmp_path: Path) -> Callable[..., pd.Series]:
    """Split examples of these content ids, with one ledger for the whole test."""

    def run(
        content: list[str],
        labels: Sequence[str] | None = None,
        group: Sequence[str | None] | None = None,
        given: Sequence[str | None] | None = None,
        settings: Split = SETTINGS,
    ) -> pd.Series:
        nothing = [None] * len(content)
        examples = pd.DataFrame(
            {"content_id": content, "group": group or nothing, "split": given or nothing}, dtype="str"
        )
        strata = pd.Series(labels or ["a"] * len(content), dtype="str")
        return split_examples(examples, strata, settings, tmp_path / "ledger.parquet", "the data")

    return run


def names(start: int, stop: int) -> list[str]:
    return [f"example {number}" for number in range(start, stop)]


def counted(labels: list[str], splits: pd.Series) -> dict[str, list[int]]:
    """How many examples of each class train, validation and test have."""
    pairs = Counter(zip(labels, splits, strict=True))
    return {label: [pairs[label, name] for name in SPLITS] for label in set(labels)}


def test_every_class_is_split_by_exact_shares(split: Callable[..., pd.Series]) -> None:
    labels = ["a"] * 100 + ["b"] * 20
    assert counted(labels, split(names(0, 120), labels)) == {"a": [70, 15, 15], "b": [14, 3, 3]}


def test_who_was_assigned_stays_when_the_set_grows_and_shares_hold(split: Callable[..., pd.Series]) -> None:
    before = split(names(0, 100))
    after = split(names(50, 300))
    assert (after.to_numpy()[:50] == before.to_numpy()[50:]).all()
    assert after.value_counts()["test"] == pytest.approx(0.15 * 250, abs=8)
    again = split(names(0, 100))
    assert again.equals(before)


def test_the_order_of_the_rows_changes_nothing(split: Callable[..., pd.Series], tmp_path: Path) -> None:
    forwards = dict(zip(names(0, 100), split(names(0, 100)), strict=True))
    (tmp_path / "ledger.parquet").unlink()
    backwards = dict(zip(names(0, 100)[::-1], split(names(0, 100)[::-1]), strict=True))
    assert forwards == backwards


def test_another_seed_is_another_split(split: Callable[..., pd.Series], tmp_path: Path) -> None:
    first = split(names(0, 100))
    (tmp_path / "ledger.parquet").unlink()
    assert not first.equals(split(names(0, 100), settings=Split(validation=0.15, test=0.15, seed=1)))


def test_copies_stay_together_across_classes(split: Callable[..., pd.Series]) -> None:
    content = names(0, 100) + names(0, 40)
    splits = split(content, ["a"] * 100 + ["b"] * 40)
    assert splits.groupby(content).nunique().max() == 1
    assert set(splits[100:]) == {"train", "validation", "test"}


def test_groups_stay_together_and_fill_every_split(split: Callable[..., pd.Series]) -> None:
    groups = [f"patient {number // 10}" for number in range(200)]
    labels = ["a" if number % 3 else "b" for number in range(200)]
    splits = split(names(0, 200), labels, groups)
    assert splits.groupby(groups).nunique().max() == 1
    assert splits.value_counts().to_dict() == {"train": 140, "validation": 30, "test": 30}


def test_three_large_groups_make_three_splits(split: Callable[..., pd.Series]) -> None:
    groups = [f"site {number % 3}" for number in range(90)]
    assert split(names(0, 90), None, groups).value_counts().to_dict() == {"train": 30, "validation": 30, "test": 30}


def test_a_newcomer_joins_the_split_of_its_group(split: Callable[..., pd.Series]) -> None:
    groups = [f"patient {number // 10}" for number in range(200)]
    before = split(names(0, 200), None, groups)
    after = split(names(0, 220), None, [*groups, *(f"patient {number}" for number in range(20))])
    assert after[:200].equals(before)
    assert after[200:].tolist() == before[::10].tolist()


def test_two_groups_are_too_few(split: Callable[..., pd.Series]) -> None:
    with pytest.raises(DataError, match="are too few for train, validation and test"):
        split(names(0, 40), None, ["left", "right"] * 20)


def test_the_users_split_is_honoured_leaks_included(split: Callable[..., pd.Series]) -> None:
    content = [*names(0, 10), *names(0, 10), *names(10, 20)]
    given = ["Train"] * 10 + ["TEST "] * 10 + ["val"] * 5 + ["dev"] * 5
    assert split(content, given=given).tolist() == ["train"] * 10 + ["test"] * 10 + ["validation"] * 10


def test_validation_is_carved_out_of_train_where_the_user_has_none(split: Callable[..., pd.Series]) -> None:
    given = ["train"] * 85 + ["test"] * 15
    splits = split(names(0, 100), given=given)
    assert set(splits[85:]) == {"test"}
    assert splits[:85].value_counts().to_dict() == {"train": 70, "validation": 15}


def test_a_blank_in_the_users_split_is_assigned(split: Callable[..., pd.Series]) -> None:
    given = ["train"] * 20 + ["val"] * 5 + ["test"] * 5 + [None] * 100
    splits = split(names(0, 130), given=given)
    assert splits[30:].value_counts().to_dict() == {"train": 70, "validation": 15, "test": 15}


def test_a_class_of_two_or_three_never_crashes(split: Callable[..., pd.Series]) -> None:
    labels = ["a"] * 20 + ["pair"] * 2 + ["three"] * 3 + ["one"]
    splits = counted(labels, split(names(0, 26), labels))
    assert splits == {"a": [14, 3, 3], "three": [1, 1, 1], "pair": [1, 1, 0], "one": [1, 0, 0]}


def test_a_broken_ledger_is_one_clear_sentence(split: Callable[..., pd.Series], tmp_path: Path) -> None:
    (tmp_path / "ledger.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"ledger.*cannot be read"):
        split(names(0, 10))


def test_other_split_settings_have_a_ledger_of_their_own(prepare: Prepare, workspace: Path) -> None:
    first = prepare(kind="builtin", name="digits", path="-")
    other = prepare(kind="builtin", name="digits", path="-", split={"validation": 0.2, "test": 0.1, "seed": 0})
    again = prepare(kind="builtin", name="digits", path="-")
    assert len(list((workspace / ".recipe" / "splits").iterdir())) == 2
    assert [len(other.where(name)) for name in ("validation", "test")] == pytest.approx([360, 180], abs=5)
    assert first.manifest.equals(again.manifest)


def test_the_same_settings_prepare_the_same_bytes(prepare: Prepare, workspace: Path) -> None:
    folder = workspace / "data" / "prepared"
    prepare(kind="builtin", name="digits", path="-")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    dataset = prepare(kind="builtin", name="digits", path="-")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    rows = np.concatenate([dataset.where(name) for name in ("train", "validation", "test")])
    assert sorted(rows.tolist()) == list(range(1797))
