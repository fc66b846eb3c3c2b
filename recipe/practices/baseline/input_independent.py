"""baseline/input_independent: does the net read its input at all."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from recipe import drawing
from recipe.diagnostics.bounds import floor_of, to_learn
from recipe.diagnostics.causes import IGNORES, NOT_FINITE
from recipe.diagnostics.probes import everything, ignores_input, rows, some, stirred_model
from recipe.evidence import Finding, at_least, practice
from recipe.settings.strict import Strict
from recipe.statistics.clusters import mean_interval, one_of_each
from recipe.training.evaluation import Evaluation, evaluate_outputs
from recipe.training.experiment import Experiment, Training
from recipe.training.fit import Trained, fit_all
from recipe.training.split import Split

TRIED = 64  # examples that change places, to see whether the outputs follow
ROUNDS = 300  # of shuffled targets; their spread is then known to 4 %
CLEAR = 5.0  # standard errors; below, the net is trained for longer before anything is said
UNRELATED = 3.0  # below, chance will do: shuffled labels reach 2.1 once the best epoch is taken, measured on 24 sets
FEW = 30  # validation examples, clusters counted once; with fewer, chance often hides what a sound net has learnt
FEW_CLUSTERS = (
    100  # where there are copies, those in training hold a net up too: icons, 1.7 with 30, 6.6 without copies
)
ROUNDING = 1e-12  # a spread over shuffles below this is that of equal outputs


class Settings(Strict):
    epochs: int = Field(ge=1)
    steps: int = Field(ge=1)


class Limits(Strict):
    min_certainty: float = Field(ge=0)
    min_lead: float


@practice("baseline/input_independent")
def input_independent(exp: Experiment) -> Finding:
    """The net does clearly better on real inputs than on zeros, and than the best constant guess.

    Better in the metric or in the loss: a rare class moves the loss alone, an overconfident net the metric alone.
    Clearly, by a permutation test: how much better the outputs fit their own targets than shuffled ones, in standard
    deviations over shuffles. A net that shows nothing is trained for longer, up to its best epoch, before it is blamed.
    Source: the recipe, 2, "input-independent baseline".
    """
    settings: Settings = exp.stages.baseline.input_independent
    blank = exp.variant("zero inputs", train=_zeros(exp.train), validation=_zeros(exp.validation))
    [blind] = fit_all(blank, [exp.training.having(epochs=min(exp.training.epochs, settings.epochs))])
    others = _finite({"zero inputs": blind.evaluation(blank), "the best constant": _constant(exp)})
    compared = _compare(exp, exp.training, others)
    if compared.certainty < CLEAR or not compared.leads:
        compared = _compare(exp, _longer(exp), others)
    real = compared.real
    gain = real.scores - max(others.values(), key=lambda one: one.score).scores
    otherwise: Literal["warn", "fail"] = "warn" if _are_few(exp) else "fail"
    beside = ", ".join(f"{one.metric:.3f} with {kind}" for kind, one in others.items())
    return Finding(
        summary=f"{real.name} {real.metric:.3f} on real inputs, {beside}; the outputs fit their own targets better "
        f"than shuffled ones by {compared.certainty:.1f} standard deviations{_cause(exp, compared)}.",
        measured=gain.mean().item(),
        interval=mean_interval(gain, exp.validation.groups),
        expected="clearly above 0",
        advice="Where the inputs make no difference, see that each travels with its own label, through every shuffle, "
        "sort and join, and that the model uses what it is given.",
        requirements=(
            at_least(compared.certainty, "min_certainty", otherwise),
            at_least(max(compared.metric_lead, compared.loss_lead), "min_lead", otherwise),
        ),
        figures={
            "baselines": drawing.intervals(
                {kind: (one.metric, *one.interval()) for kind, one in {"real inputs": real, **others}.items()},
                real.name,
                title="Real inputs against none",
            )
        },
    )


def _zeros(split: Split) -> Split:
    """The same examples with nothing in them."""
    transform = split.transform or (lambda batch: batch)
    return replace(split, transform=lambda batch: torch.zeros_like(transform(batch)), ready=None)


def _constant(exp: Experiment) -> Evaluation:
    """The best constant guess, on the validation split."""
    guess, targets = exp.objective.prior_outputs(exp.train.targets.cpu()), exp.validation.targets.cpu()
    return evaluate_outputs(guess.expand(len(targets), -1), targets, exp.objective)


def _finite(evaluations: dict[str, Evaluation]) -> dict[str, Evaluation]:
    """Those with outputs to compare: a net that divides by its input's own spread has none on zeros."""
    return {kind: one for kind, one in evaluations.items() if one.outputs.isfinite().all()}


def _longer(exp: Experiment) -> Training:
    """At least as many steps as the settings say, ending with the best epoch."""
    steps_per_epoch = math.ceil(len(exp.train) / exp.training.batch_size)
    epochs = math.ceil(exp.stages.baseline.input_independent.steps / steps_per_epoch)
    return exp.training.having(epochs=max(exp.training.epochs, epochs), keep_best=True)


@dataclass(frozen=True)
class _Compared:
    """A net on real inputs beside the best without them.

    Attributes:
        certainty: see `_certainty`.
        metric_lead: in the metric; -inf where there is no number.
        loss_lead: in the loss, as a share of what the best without inputs leaves to learn; -inf where there is none.
    """

    trained: Trained
    real: Evaluation
    certainty: float
    metric_lead: float
    loss_lead: float

    @property
    def leads(self) -> bool:
        return self.metric_lead > 0 or self.loss_lead > 0


def _compare(exp: Experiment, training: Training, others: dict[str, Evaluation]) -> _Compared:
    """Train on real inputs, and hold the outputs on the validation split against `others` on it."""
    [trained] = fit_all(exp, [training])
    real = trained.evaluation(exp)
    score, loss = max(one.score for one in others.values()), min(one.loss for one in others.values())
    loss_lead = (loss - real.loss) / to_learn(loss, floor_of(exp.objective, exp.train.targets))
    metric_lead, loss_lead = (lead if math.isfinite(lead) else -math.inf for lead in (real.score - score, loss_lead))
    return _Compared(trained, real, _certainty(real), metric_lead, loss_lead)


def _certainty(evaluation: Evaluation) -> float:
    """How much better the outputs fit their own targets than shuffled ones, in standard deviations over shuffles.

    Of each cluster one example is drawn for every shuffle: among copies a shuffle changes nothing.
    """
    targets, generator = evaluation.targets, torch.Generator().manual_seed(0)
    outputs = rows(evaluation.outputs, len(targets)).double()
    own, shuffled = [], []
    for _ in range(ROUNDS):
        drawn = one_of_each(evaluation.groups, len(targets), generator)
        own.append(_fit(outputs[drawn], targets[drawn]))
        shuffled.append(_fit(outputs[drawn], targets[drawn[torch.randperm(len(drawn), generator=generator)]]))
    mean, by_chance = torch.stack(own).mean(), torch.stack(shuffled)
    spread = by_chance.std()
    if not (mean.isfinite() and spread.isfinite()):
        return -math.inf
    return ((mean - by_chance.mean()) / spread).item() if spread > ROUNDING else 0.0


def _fit(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean log probability of the classes, or minus the mean squared error."""
    if targets.dim() == 1:
        return -functional.cross_entropy(outputs, targets)
    return -functional.mse_loss(outputs, targets.double())


def _are_few(exp: Experiment) -> bool:
    return _draws(exp) < (FEW if exp.validation.groups is None else FEW_CLUSTERS)


def _draws(exp: Experiment) -> int:
    """The validation examples, copies and groups counted once."""
    groups = exp.validation.groups
    return len(exp.validation) if groups is None else len(groups.unique())


def _cause(exp: Experiment, compared: _Compared) -> str:
    """Why the inputs do not help, as far as model and training tell; nothing where they do."""
    trained, certainty = compared.trained, compared.certainty
    if certainty >= CLEAR:
        return ""
    if not trained.outputs.isfinite().all():
        return f": {NOT_FINITE}"
    inputs, _ = everything(some(exp, exp.validation, TRIED))
    with torch.no_grad():
        if ignores_input(stirred_model(exp), inputs):
            return f": {IGNORES}"
        if trained.history.diverged or ignores_input(trained.model(exp), inputs):
            return ": training has left every example with the same outputs, so the learning rate is likely too high"
    if _are_few(exp):
        draws = _draws(exp)
        once = "" if exp.validation.groups is None else ", copies and groups counted once,"
        return f": {draws} validation examples{once} are too few to tell whether the inputs help"
    if certainty < UNRELATED:
        return ": the labels look unrelated to the inputs, as when they were shuffled or joined by the wrong key"
    return ""
