"""regularize/pretrained: start from weights that were learnt elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
from pydantic import Field

from recipe.diagnostics.probes import some
from recipe.evidence import Finding, at_least, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare, compare_all, finding, in_words, learning_curves, row
from recipe.training.evaluation import evaluate
from recipe.training.experiment import Experiment, Training
from recipe.training.transfer import Fit, fits

SETTING = "pretrained"  # what a model of a zoo calls the switch for its own weights, as timm does
NAMED = 4  # tensors that the summary names; the table has all
WEIGHTS_OF_INPUTS = 2  # dimensions at least of a layer's weights, the second of which counts its inputs


class Settings(Strict):
    examples: int = Field(ge=1)


class Limits(Strict):
    min_loaded: float = Field(ge=0, le=1)


@practice("regularize/pretrained")
def pretrained(exp: Experiment) -> Finding:
    """Weights that were learnt elsewhere fit the model, and lower the validation loss at equal budget.

    Fine-tuned, and with the body frozen so that only the head learns; the control starts from chance. A head that fits
    by its shape may tell other classes apart: where it knows less of the training examples than a constant guess, it
    starts afresh. Source: the recipe, 4, "pretrain" and "stick with supervised learning"; Yosinski et al. 2014 for
    frozen and fine-tuned layers.
    """
    if exp.pretrained is None:
        return _against_chance(exp)
    if exp.training.weights is not None:
        return skip("The training at hand starts from weights already, so there is no start from chance beside it.")
    found = _fits(exp, _needs_new_head(exp))
    body = [one for one in found if not one.in_head]
    if not _loaded(found):
        return Finding(
            summary=f"Nothing in {exp.pretrained.name} fits the body of {exp.training.model.name}, so these are the "
            f"weights of another model: {_named(body)}.",
            measured=0.0,
            advice="Give the checkpoint of this very architecture, or set the model's settings as they were when it "
            "was trained; the table has all names and shapes.",
            requirements=(at_least(0, 1),),
            table=_table(found),
        )
    channels = _other_channels(found)
    comparisons = compare_all(exp, pretrained_changes(exp))
    whole = finding(
        exp,
        comparisons,
        advice="Where the body does not fit, set the model as it was when it was trained; where input channels differ, "
        "bring the data to as many (data.image.channels). Where no gain holds, train from scratch.",
        requirements=(
            at_least(_share(body), "min_loaded", otherwise="warn"),
            at_most(len(channels), 0, otherwise="warn"),
        ),
    )
    told = [_what_fits(exp, found), *map(_unlike_inputs, channels)]
    told += [in_words(exp, one) for one in comparisons]
    if exp.folds:
        told.append("Each fold starts from the same weights: where they have seen its examples, the gain is too good.")
    return replace(whole, summary=" ".join(told), table=_table(found))


def pretrained_changes(exp: Experiment) -> list[Change]:
    """The weights at hand, where they fit, with all of the model learning on, and with the body frozen."""
    weights = exp.pretrained
    if weights is None or exp.training.weights is not None or not _loaded(_fits(exp)):
        return []
    new_head = _needs_new_head(exp)

    def starting(frozen: bool) -> Callable[[Training], Training]:
        start = {"weights": weights.digest, "frozen": frozen, "new_head": new_head}
        return lambda one: one if one.weights else one.having(**start)  # of the two put together, the first stays

    return [
        Change("fine-tuned weights", starting(frozen=False)),
        Change("frozen body", starting(frozen=True)),
    ]


def _against_chance(exp: Experiment) -> Finding:
    """What the model's own weights gain, where it has a switch for them and that is on."""
    model = exp.training.model
    if not (model.declares(SETTING) and model.default_of(SETTING) is True):
        return skip("Name weights to start from with pretrained=FILE, or pretrained=models:/NAME/VERSION.")
    scratch = exp.training.having(model=model.having(**{SETTING: False}))
    comparison = compare(exp, scratch, Change("the model's own weights", lambda _: exp.training))
    return Finding(
        summary=in_words(exp, comparison),
        measured=comparison.gain.value,
        interval=(comparison.gain.low, comparison.gain.high),
        expected="above 0 where it helps",
        advice=f"Set model.{SETTING}=false where training from scratch is no worse.",
        figures={"curves": learning_curves(exp, {"from scratch": scratch, "its own weights": exp.training})},
        table=pd.DataFrame([row(comparison)]),
        answer=comparison.answer,
    )


def _fits(exp: Experiment, new_head: bool = False) -> list[Fit]:
    assert exp.pretrained is not None, "asked only where weights are at hand"
    return fits(exp.new_model(), exp.pretrained, exp.objective.n_outputs, new_head)


def _needs_new_head(exp: Experiment) -> bool:
    """Whether the head fits by its shape, and yet costs more on training examples than the best constant guess."""
    if exp.pretrained is None or not any(one.loaded and one.in_head for one in _fits(exp)):
        return False
    few = some(exp, exp.train, exp.stages.regularize.pretrained.examples)
    model = exp.new_model(training=exp.training.having(weights=exp.pretrained.digest))
    return not evaluate(model, exp.objective, few).loss < exp.objective.prior_loss(few.targets.cpu())


def _loaded(found: Sequence[Fit]) -> list[Fit]:
    return [one for one in found if one.loaded]


def _share(body: Sequence[Fit]) -> float:
    """How much of the body's parameters, counted in numbers, starts from the weights; all of a body without any."""
    numbers = sum(one.numbers for one in body)
    return sum(one.numbers for one in _loaded(body)) / numbers if numbers else 1.0


def _what_fits(exp: Experiment, found: Sequence[Fit]) -> str:
    assert exp.pretrained is not None
    here = [one for one in found if one.here is not None]
    body, head = ([one for one in here if one.in_head is is_head] for is_head in (False, True))
    missed = [one for one in body if not one.loaded]
    afresh = [one for one in head if not one.loaded]
    spare = len(found) - len(here)
    of_head = f"; {afresh[0].why}, {_named(afresh)}" if afresh else " and the head, better than a constant guess"
    return (
        f"{len(_loaded(found))} of {len(here)} tensors start from {exp.pretrained.name}, {_share(body):.1%} of the "
        f"numbers in the body{of_head}"
        + (f"; of the body not {_named(missed)}" if missed else "")
        + (f"; {spare} tensors there have no place here" if spare else "")
        + "."
    )


def _named(some: Sequence[Fit]) -> str:
    """Tensors with what keeps them from fitting, the first few."""
    words = [f"{one.name} {_shapes(one)}" for one in some if not one.loaded]
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED} more" if len(words) > NAMED else "")


def _shapes(one: Fit) -> str:
    if one.here == one.there:
        return f"({_shape(one.here)})"
    return f"({_shape(one.here) or 'not'} here, {_shape(one.there) or 'not'} there)"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "one number"


def _other_channels(found: Sequence[Fit]) -> list[Fit]:
    """The first layer, where it takes another number of inputs here than there."""
    layers = [one for one in found if one.numbers and one.here and len(one.here) >= WEIGHTS_OF_INPUTS]
    return [
        one
        for one in layers[:1]
        if one.here and one.there and len(one.here) == len(one.there) and one.here[1] != one.there[1]
    ]


def _unlike_inputs(one: Fit) -> str:
    assert one.here and one.there
    return f"The first layer, {one.name}, takes {one.here[1]} inputs here and {one.there[1]} there."


def _table(found: Sequence[Fit]) -> pd.DataFrame:
    """A row a tensor: what is not loaded first."""
    rows = [
        {
            "name": one.name,
            "here": _shape(one.here),
            "there": _shape(one.there),
            "loaded": one.loaded,
            "why": one.why,
        }
        for one in sorted(found, key=lambda one: one.loaded)
    ]
    return pd.DataFrame(rows)
