"""Deliberately broken data sets as files, such as a user would bring."""

import csv
from pathlib import Path

import numpy as np

from tests.faults.data import breast_cancer, image_folder

TRAIN, VALIDATION = 200, 250  # of 300 images: the first to train, the next to validation, the rest to test
LEAKED = 20


def shuffled_labels(folder: Path) -> None:
    """The real table with its labels in another order: shuffled.csv."""
    frame = breast_cancer().copy()
    frame["diagnosis"] = np.random.default_rng(0).permutation(frame["diagnosis"].to_numpy())
    frame.to_csv(folder / "shuffled.csv", index=False)


def label_among_features(folder: Path) -> None:
    """The real table with the label once more as a number: giveaway.csv."""
    frame = breast_cancer().copy()
    frame["code"] = (frame["diagnosis"] == "benign").astype(int)
    frame.to_csv(folder / "giveaway.csv", index=False)


def split_with_overlap(folder: Path) -> None:
    """Digits as files with a split of the user's own, in which some test images are in train as well."""
    paths = image_folder(folder)
    splits = ["train"] * TRAIN + ["validation"] * (VALIDATION - TRAIN) + ["test"] * (len(paths) - VALIDATION)
    for path in paths[-LEAKED:]:
        copy = path.with_stem(f"{path.stem}_again")
        copy.write_bytes(path.read_bytes())
        paths.append(copy)
        splits.append("train")
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["path", "label", "split"])
        writer.writerows(
            [path.relative_to(folder).as_posix(), path.parent.name, split]
            for path, split in zip(paths, splits, strict=True)
        )
