"""squeeze/error_budget: where the error on the test set comes from, and what would lower it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field
from torch import Tensor

from recipe.error_budget.advice import Step, steps
from recipe.error_budget.nets import errors_of, outputs_on, train_nets
from recipe.error_budget.parts import (
    Noise,
    Part,
    label_noise,
    mean_of,
    missed_in_training,
    share_of,
    shift_to_delivery,
    split_error,
    validation_errors,
)
from recipe.error_budget.pictures import draw_parts, draw_steps, written
from recipe.evidence import Finding, practice, skip
from recipe.pipeline.duration import seconds_of
from recipe.settings.strict import Strict
from recipe.statistics.intervals import Estimate, sum_of
from recipe.training.baselines import baseline_outputs
from recipe.training.ensemble import (
    average,
    ensemble_temperature,
    ensemble_trainings,
    train_members,
)
from recipe.training.evaluation import evaluate_outputs
from recipe.training.experiment import Experiment

if TYPE_CHECKING:
    import pandas as pd

READER = "squeeze/final_test"  # it needs no more of the test labels than that has read
FIRST = 2  # steps that a summary names


class Settings(Strict):
    width: float = Field(gt=1)


@practice("squeeze/error_budget")
def error_budget(exp: Experiment) -> Finding:
    """The error on the test set has causes that can be told apart, and each asks for something else.

    Label noise, what the training set itself is missed by, what all nets of this kind miss, what another seed and what
    other examples of the same number would do, and how the test split differs from the validation split. They add up
    to the error. What would lower it is foretold from nets that are trained: more data, a larger model, longer
    training, one more member, more trials, labels mended. Sources: Domingos 2000 for the parts; Ng 2018, Machine
    Learning Yearning, 20 to 32, for how they are read.
    """
    if exp.test is None:
        return skip("This experiment has no test split.")
    members = train_members(exp)
    nets = train_nets(exp)
    temperature = ensemble_temperature(exp, members)
    test = exp.test.open(READER)
    outputs = outputs_on(exp, members, test)
    exp.test.note(READER, len(test), _metric(exp, outputs, test.targets, temperature))
    errors = errors_of(exp, outputs, test.targets, temperature)
    noise, whole = label_noise(exp, nets), share_of(exp, errors, test.groups)
    seen, missed = validation_errors(exp, members, temperature), missed_in_training(exp, members, temperature)
    parts = split_error(exp, nets, noise, missed, seen, whole)
    ahead = steps(exp, nets, noise, seen, errors)
    beside = {name: errors_of(exp, one[None], test.targets) for name, one in baseline_outputs(exp, test).items()}
    best = min(beside, key=lambda name: beside[name].mean().item())
    gap = mean_of(beside[best] - errors, test.groups)
    shift = shift_to_delivery(exp, members, seen, temperature)
    return Finding(
        summary=_in_words(exp, whole.value, parts, ahead, best, gap, shift),
        measured=whole.value,
        interval=(whole.low, whole.high),
        expected="the sum of its parts",
        figures={
            "parts": draw_parts(parts, whole.value, _what(exp), {best: beside[best].mean().item()}),
            "steps": draw_steps(ahead, _what(exp)),
        },
        table=_table(parts, best, gap, shift, ahead, _labels(exp, noise)),
        timed=_timed(exp, ahead),
    )


def _metric(exp: Experiment, outputs: Tensor, targets: Tensor, temperature: float) -> float:
    return evaluate_outputs(average(outputs, exp.task, temperature), targets.cpu(), exp.objective).metric


def _what(exp: Experiment) -> str:
    """What an error is a share of."""
    return "the examples, missed" if exp.task == "classification" else "the targets' variance"


def _in_words(
    exp: Experiment,
    total: float,
    parts: Sequence[Part],
    ahead: Sequence[Step],
    best: str,
    gap: Estimate,
    shift: Estimate | None,
) -> str:
    told = sorted((one for one in parts if one.told), key=lambda one: -one.error.value)
    largest = ", ".join(f"{one.name} {_with_interval(one.error)}" for one in told)
    promising = [one for one in ahead if one.gain.low > 0]
    first = "; ".join(f"{one.name} {_with_interval(one.gain)}" for one in promising[:FIRST])
    advice = f"What would lower it: {first}" if first else "Of what could be done next nothing is told from no gain"
    return (
        f"Of {written(total)} error ({_what(exp)}): {largest}. The best baseline, {best}, has "
        f"{_with_interval(gap)} more.{_of_the_delivery(exp, shift)} {advice}."
    )


def _of_the_delivery(exp: Experiment, shift: Estimate | None) -> str:
    """What is missed of a delivery, as a sentence; empty where none is looked at."""
    if shift is None or exp.delivery is None:
        return ""
    apart, where = (shift, "above") if shift.value >= 0 else (sum_of((-1, shift)), "below")
    chance = "" if shift.low > 0 or shift.high < 0 else ", which chance may explain"
    unit = "points" if exp.task == "classification" else "of the targets' variance"
    return (
        f" On the {len(exp.delivery):,} new examples of the delivery the error is {_with_interval(apart)} {unit} "
        f"{where} that on the validation split{chance}."
    )


def _with_interval(one: Estimate) -> str:
    return f"{written(one.value)} [{written(one.low)}, {written(one.high)}]"


def _table(
    parts: Sequence[Part],
    best: str,
    gap: Estimate,
    shift: Estimate | None,
    ahead: Sequence[Step],
    labels: Sequence[dict[str, object]],
) -> pd.DataFrame:
    """The parts, who else is beside them, the steps, and the labels to look at.

    `error` is what a part makes, what another has more, or what a step would take off.

    `trainings` is what a step costs, in trainings of a member, and `examples` how many a person brings or looks at.
    """
    import pandas as pd

    rows = [_row("part", one.name, one.error if one.told else None, one.how) for one in parts]
    rows.append(_row("beside", f"{best} baseline", gap, "its error less that of the ensemble, on the test set"))
    if shift is not None:
        rows.append(
            _row("beside", "delivery", shift, "the error on its new examples less that on the validation split")
        )
    rows.append(_row("beside", "human", None, "baseline/human tells it, where somebody has annotated"))
    steps = [
        _row("step", one.name, one.gain, one.how)
        | {"trainings": one.trainings, "examples": one.examples, "setting": one.setting}
        for one in ahead
    ]
    table = pd.DataFrame([*rows, *steps, *labels])
    return table.astype({"examples": "Int64"})


def _labels(exp: Experiment, noise: Noise | None) -> list[dict[str, object]]:
    """A row for each training example to look at, the surest first, where there is label noise beyond chance."""
    if noise is None or noise.share.low <= 0 or not exp.train.ids:
        return []
    names, targets = exp.classes, exp.train.targets
    return [
        _row("label", exp.train.ids[place], None, f"labelled {names[int(targets[place])]}, taken for {names[answer]}")
        for place, answer in zip(noise.contradicted.tolist(), noise.answers.tolist(), strict=True)
    ]


def _row(kind: str, name: str, error: Estimate | None, how: str) -> dict[str, object]:
    value, low, high = (error.value, error.low, error.high) if error else (None, None, None)
    return {"kind": kind, "name": name, "error": value, "low": low, "high": high, "how": how}


def _timed(exp: Experiment, ahead: Sequence[Step]) -> str:
    """What each step costs here, in words."""
    one = seconds_of(exp, ensemble_trainings(exp)[0])
    costs = ", ".join(f"{step.name} {one * step.trainings:.0f} s" for step in ahead if step.trainings)
    return f"One training after another on this machine's {exp.device.torch.type}: {costs}."
