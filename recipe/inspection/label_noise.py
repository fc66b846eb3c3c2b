"""Which labels are probably wrong, how many, and what they should be: as a probe sees what it has not learnt from."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recipe.dataset.stored import Dataset
from recipe.inspection.forest import MOST_CLASSES, better_forest, with_forest
from recipe.inspection.label_model import LabelModel, fit_label_model
from recipe.inspection.linear_algebra import single_threaded
from recipe.inspection.probe import Answers, Probe, probe
from recipe.statistics.intervals import NORMAL_975, Estimate, wilson

Floats = NDArray[np.float64]

MOST_FITS = 5
CLEARER = 2 / 3  # of the halves' disagreement is left where a fit without the flagged was right: at most 0.64 with a
# fifth of the labels wrong, whether by class or by picture, on digits, MNIST-5k and 5,000 of Fashion-MNIST, and 0.59
# with a twentieth on the first two; 0.73 and more where what was flagged is only hard to tell, as in Fashion-MNIST
LEAST_AGREEMENT = 0.1  # of two probes beyond that of a coin; of those that agree less the share would grow without end
LEAST_TOLD = 0.05  # of a number's variance: a probe that foretells less can tell nothing of labels
TAILS = (2.5, 4.0, 8.0, 30.0)  # degrees of freedom of honest errors, the likeliest of which is taken
STEPS = 100
SETTLED = 1e-6
FIRST_SHARE = 0.05
SPREAD_TO_MAD = 1.4826  # of a normal


@dataclass(frozen=True)
class LabelNoise:
    """What is wrong with N labels.

    Attributes:
        suggested: (N,) the class that is likeliest but for the given one, or the number that is expected.
        score: (N,) 0 to 1, above one half where the suggestion is likelier than the given label.
        flagged: (N,) the most suspicious, as many as are estimated to be wrong.
        share: of labels that are wrong; 0 where what the probe misses is as likely only hard to tell.
        interval: of that share, from what it is if labels are wrong whatever the picture, to what it is if they are
            wrong where the picture is ambiguous; with the sampling error of each.
        surely_wrong: how many of the flagged are wrong by the first of the two.
        joint: (K, K) how many examples of each true class (row) have which label (column); None for a number.
        probabilities: (N, K) of each class, by the inputs alone; None for a number.
    """

    suggested: NDArray[np.generic]
    score: Floats
    flagged: NDArray[np.bool_]
    share: float
    interval: tuple[float, float]
    surely_wrong: float
    joint: Floats | None
    probabilities: Floats | None


@lru_cache(maxsize=1)
def label_noise_of(dataset: Dataset) -> LabelNoise | None:
    """What is wrong with the labels of a data set, remembered for the practices that ask for it.

    None where there are too few examples or too many classes, or a probe cannot tell the labels.
    """
    with single_threaded():
        probed = probe(dataset)
        if probed is None:
            return None
        if dataset.preparation["classes"] is not None:
            return _of_classes(dataset, probed)
        numbers = dataset.targets.reshape(len(dataset.targets), -1)[:, 0].astype(np.float64)
        expected = probed.asked(np.ones(len(probed.rows), dtype=bool)).outputs[:, 0].astype(np.float64)
        return _of_numbers(expected, numbers, dataset.kept)


def _of_classes(dataset: Dataset, probed: Probe) -> LabelNoise | None:
    """The noise of classes; None where the probe tells them no better than the commonest class does.

    The probe learns again without what it flags, as long as that makes its halves agree far more with each other, and
    itself with more of the labels: then it was the wrong labels that they disagreed about.
    """
    given, forest = dataset.targets, None
    best: _Opinion | None = None
    kept = np.ones(len(probed.rows), dtype=bool)
    for _ in range(MOST_FITS):
        answers = probed.asked(kept)
        if best is None and dataset.inputs.ndim == 2 and answers.outputs.shape[1] <= MOST_CLASSES:
            forest = better_forest(dataset, answers.outputs)
        opinion = _opinion(answers, dataset, probed.rows, forest)
        if best is not None and not _clearer(best, opinion):
            break
        best, kept = opinion, ~opinion.flagged[probed.rows]
        if not opinion.flagged.any():
            break
    return _told(best, given) if best is not None and _tells(best.outputs.argmax(1) == given, given) else None


@dataclass(frozen=True)
class _Opinion:
    """What one fit makes of N labels."""

    outputs: NDArray[np.float32]  # (N, K)
    labels: LabelModel
    disagree: float  # share of inputs on which the halves do
    missed: float  # share of labels that the probe does not foretell
    share: float
    interval: tuple[float, float]
    flagged: NDArray[np.bool_]  # (N,)


def _opinion(
    answers: Answers, dataset: Dataset, rows: NDArray[np.int64], forest: NDArray[np.float32] | None
) -> _Opinion:
    """A label that a person has looked at and kept is not doubted."""
    given = dataset.targets
    outputs = answers.outputs if forest is None else with_forest(answers.outputs, given, forest)
    labels = fit_label_model(outputs, given)
    labels = replace(labels, wrong=np.where(dataset.kept, 0.0, labels.wrong))
    missed = (outputs.argmax(1) != given) & ~dataset.kept
    disagree = answers.halves[0].argmax(1) != answers.halves[1].argmax(1)
    share, interval = _share(labels, _excess_of_disagreement(missed[rows], disagree))
    margin = _others(outputs, given).max(1) - outputs[np.arange(len(given)), given]
    margin[dataset.kept] = -np.inf
    flagged = _most_suspicious(margin, share)
    return _Opinion(outputs, labels, float(disagree.mean()), float(missed.mean()), share, interval, flagged)


def _share(labels: LabelModel, by_picture: Estimate) -> tuple[float, tuple[float, float]]:
    """The share of wrong labels, by whichever of two estimates misses fewer, and an interval that holds both of theirs.

    Where nothing is evident the share is 0, and the interval says what cannot be ruled out.
    """
    by_class = _by_class(labels)
    most = max(by_class.high, by_picture.high)
    if not _is_evident(labels.evidence, len(labels.wrong)):
        return 0.0, (0.0, most)
    return max(by_class.value, by_picture.value), (min(by_class.low, by_picture.low), most)


def _clearer(before: _Opinion, after: _Opinion) -> bool:
    return after.disagree < CLEARER * before.disagree and after.missed < before.missed


def _told(opinion: _Opinion, given: NDArray[np.int64]) -> LabelNoise:
    labels, rows = opinion.labels, np.arange(len(given))
    suggested = _others(opinion.outputs, given).argmax(1)
    of_given, of_suggested = labels.probabilities[rows, given], labels.probabilities[rows, suggested]
    score = of_suggested / np.maximum(of_given + of_suggested, np.finfo(float).tiny)
    return LabelNoise(
        suggested=suggested,
        score=score,
        flagged=opinion.flagged,
        share=opinion.share,
        interval=opinion.interval,
        surely_wrong=float(labels.wrong[opinion.flagged].sum()),
        joint=labels.joint,
        probabilities=labels.probabilities,
    )


def _is_evident(evidence: float, count: int) -> bool:
    """Whether wrong labels explain so many better than inputs that leave them open do.

    By Schwarz 1978, "Estimating the dimension of a model": one number more, the share, must gain half the logarithm of
    the count. On clean sets the gain was at most 2.0, on labels drawn by a logistic model at most 0.4, and 54 and more
    where one label in a hundred of the digits was wrong.
    """
    return evidence > 0.5 * float(np.log(count))


def _others(outputs: NDArray[np.float32], given: NDArray[np.int64]) -> Floats:
    """`outputs` (N, K) of all classes but the given one."""
    others = np.array(outputs, dtype=np.float64)
    others[np.arange(len(given)), given] = -np.inf
    return others


def _of_numbers(expected: Floats, given: Floats, kept: NDArray[np.bool_]) -> LabelNoise | None:
    """The noise of standardised numbers (N,), but for those that a person `kept`; None where the probe tells little.

    A wrong number is taken for a draw from all of them, an honest one lies about what the probe expects, with an error
    of heavy tails (Student's t, as in Lange, Little and Taylor 1989, "Robust statistical modeling using the t
    distribution"); how many are wrong is what is likeliest.
    """
    residuals = given - expected
    if residuals.var() > (1 - LEAST_TOLD) * given.var():
        return None
    wrong, evidence = _wrong_numbers(residuals, given)
    wrong = np.where(kept, 0.0, wrong)
    evident = _is_evident(evidence, len(given))
    share, flagged = float(wrong.mean()) if evident else 0.0, (wrong > 0.5) & evident
    interval = wilson(share * len(given), len(given))
    return LabelNoise(expected, wrong, flagged, share, interval, float(wrong[flagged].sum()), None, None)


def _tells(right: NDArray[np.bool_], given: NDArray[np.int64]) -> bool:
    commonest = float(np.bincount(given).max()) / len(given)
    return wilson(float(right.sum()), len(right))[0] > commonest


def _by_class(labels: LabelModel) -> Estimate:
    """The share of wrong labels if they are wrong whatever the picture: it misses those that are wrong where the model
    of the labels takes the picture for ambiguous.
    """
    count, share = len(labels.wrong), float(labels.wrong.mean())
    return Estimate(share, *wilson(share * count, count))


def _excess_of_disagreement(missed: NDArray[np.bool_], disagree: NDArray[np.bool_]) -> Estimate:
    """The share of wrong labels by how much more often a probe misses labels than two probes disagree with each other.

    Of two models that learnt from different examples, the share of inputs on which they disagree is the share that
    either gets wrong (Jiang, Nagarajan, Baek and Kolter 2022, "Assessing generalization of SGD via disagreement");
    no label takes part in it. What a model gets wrong beyond that is the labels' fault. Where a label is wrong the
    model errs that much less, hence the factor. These two learnt from half of what the probe did, and so err more than
    it: the share is rather too small.
    """
    factor = 1 / max(1 - 2 * float(disagree.mean()), LEAST_AGREEMENT)
    beyond = factor * (missed.astype(float) - disagree)
    share = factor * float(missed.mean() - disagree.mean())
    half = NORMAL_975 * float(beyond.std()) / math.sqrt(len(beyond))
    return Estimate(share, share - half, share + half).at_least(0.0)


def _most_suspicious(margin: Floats, share: float) -> NDArray[np.bool_]:
    """The `share` of examples that lie furthest on the wrong side, of those that do."""
    count = min(round(share * len(margin)), int((margin > 0).sum()))
    flagged = np.zeros(len(margin), dtype=bool)
    flagged[np.argsort(-margin, kind="stable")[:count]] = True
    return flagged


def _wrong_numbers(residuals: Floats, given: Floats) -> tuple[Floats, float]:
    """How likely each number is wrong (N,), and the evidence for any, under the likeliest tails of honest errors."""
    anything = _density_of_all(given)
    found = [_mixture(residuals, anything, freedom, FIRST_SHARE) for freedom in TAILS]
    honest = [_mixture(residuals, anything, freedom, 0.0) for freedom in TAILS]
    wrong, likelihood = max(found, key=lambda one: one[1])
    return wrong, len(given) * (likelihood - max(one[1] for one in honest))


def _mixture(residuals: Floats, anything: Floats, freedom: float, share: float) -> tuple[Floats, float]:
    """Expectation maximisation of honest errors with so many degrees of freedom beside the density of `anything`.

    Begins with a `share` of wrong ones; one of 0 stays so. Gives how likely each is wrong, and the mean logarithm of
    the likelihood.
    """
    from scipy.stats import t

    middle = float(np.median(residuals))
    scale = max(SPREAD_TO_MAD * float(np.median(np.abs(residuals - middle))), np.finfo(float).eps)
    likelihood = -np.inf
    wrong = np.zeros(len(residuals))
    for _ in range(STEPS):
        honest = (1 - share) * t.pdf(residuals, freedom, middle, scale)
        both = honest + share * anything
        wrong = share * anything / both
        reached = float(np.log(both).mean())
        if reached - likelihood < SETTLED:
            break
        likelihood = reached
        share = float(wrong.mean())
        weight = (1 - wrong) * (freedom + 1) / (freedom + ((residuals - middle) / scale) ** 2)
        middle = float((weight * residuals).sum() / weight.sum())
        scale = float(np.sqrt((weight * (residuals - middle) ** 2).sum() / (1 - wrong).sum()))
        scale = max(scale, np.finfo(float).eps)
    return wrong, likelihood


def _density_of_all(given: Floats) -> Floats:
    """The density of each number among all: a normal, twice as wide, so that none is impossible."""
    from scipy.stats import norm

    return np.asarray(norm.pdf(given, given.mean(), 2 * given.std()))
