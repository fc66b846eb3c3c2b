"""The ten faults that the recipe must stop, as a user would have them, and which practice must name each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import files


@dataclass(frozen=True)
class Fault:
    """One fault as a user would have it: the overrides that cause it, and the practice and the words that must name it.

    An override may hold `{folder}`: where `prepare`, given the folder, has written the broken data set.
    """

    name: str
    overrides: tuple[str, ...]
    practice: str
    words: str
    prepare: Callable[[Path], None] | None = None

    def prepared(self, folder: Path) -> list[str]:
        """The overrides, once the broken data set, if it needs one, is written to `folder`."""
        if self.prepare:
            self.prepare(folder)
        return [override.format(folder=folder) for override in self.overrides]


FAULTS = (
    Fault(
        "softmax before cross-entropy",
        ("data=digits", "model=custom", "model._target_=tests.faults.models.EndsInSoftmax"),
        "baseline/overfit_one_batch",
        "ends in a softmax and the loss applies another",
    ),
    Fault(
        "view for transpose",
        ("data=digits", "model=custom", "model._target_=tests.faults.models.ViewsForTranspose"),
        "baseline/dependencies",
        "information crosses examples",
    ),
    Fault(
        "squared error of (N, 1) against (N,)",
        ("data=diabetes", "loss=custom", "loss._target_=tests.faults.losses.broadcast_mse"),
        "baseline/special_case",
        "outputs and targets are broadcast",
    ),
    Fault(
        "learning rate 10",
        ("data=digits", "optimizer.lr=10"),
        "baseline/gradients",
        "the learning rate is likely too high",
    ),
    Fault(
        "a model that ignores its input",
        ("data=digits", "model=custom", "model._target_=tests.faults.models.IgnoresInput"),
        "baseline/input_independent",
        "the model ignores its input",
    ),
    Fault(
        "layers that the optimizer does not hold",
        ("data=digits", "optimizer=custom", "optimizer._target_=tests.faults.optimizers.without_first_layer"),
        "baseline/gradients",
        "the optimizer does not hold",
    ),
    Fault(
        "inputs unscaled (x255)",
        ("data=digits", "data.transform._target_=tests.faults.transforms.unscaled"),
        "baseline/just_before_net",
        "the inputs are not scaled",
    ),
    Fault(
        "shuffled labels",
        ("data=table", "data.path={folder}/shuffled.csv", "data.label=diagnosis"),
        "baseline/input_independent",
        "the labels look unrelated to the inputs",
        files.shuffled_labels,
    ),
    Fault(
        "the label among the features",
        ("data=table", "data.path={folder}/giveaway.csv", "data.label=diagnosis"),
        "data/leakage",
        "The label is given away by",
        files.label_among_features,
    ),
    Fault(
        "a user's own split with test images also in train",
        ("data=image_folder", "data.path={folder}"),
        "data/leakage",
        "in two splits",
        files.split_with_overlap,
    ),
)
