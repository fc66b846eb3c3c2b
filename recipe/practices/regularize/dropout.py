"""regularize/dropout: units, or whole channels, left out at random."""

from __future__ import annotations

from pydantic import Field
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from recipe.evidence import Finding, at_most, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment, Training


class Settings(Strict):
    rate: float = Field(gt=0, lt=1)
    spatial_rate: float = Field(gt=0, lt=1)


class Limits(Strict):
    max_batch_norms: float = Field(ge=0)


@practice("regularize/dropout")
def dropout(exp: Experiment) -> Finding:
    """Units, or whole channels, left out at random lower the validation loss.

    Source: the recipe, 4, "drop"; Srivastava et al. 2014; for channels Tompson et al. 2015.
    """
    changes = dropout_changes(exp)
    if not changes:
        return skip(f"{exp.training.model.name} declares neither dropout nor spatial_dropout, or has them on already.")
    norms = _batch_norms(exp.new_model())
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Beside batch norm, keep dropout after the last norm or leave it out: the norm gathers its statistics "
        "with units missing and uses them with all of them."
        if norms
        else "Where no gain holds, leave it out, or try a lower rate.",
        requirements=(at_most(norms, "max_batch_norms", otherwise="warn"),),
        remark=f" The model has {norms} batch norm layers, which sit badly with dropout." if norms else "",
    )


def dropout_changes(exp: Experiment) -> list[Change]:
    """Dropout, and spatial dropout, where the model declares them and has them off."""
    settings, model = exp.stages.regularize.dropout, exp.training.model
    rates = {"dropout": settings.rate, "spatial_dropout": settings.spatial_rate}
    return [_with(name, rate) for name, rate in rates.items() if model.declares(name) and not model.default_of(name)]


def _with(setting: str, rate: float) -> Change:
    def apply(training: Training) -> Training:
        return training.having(model=training.model.having(**{setting: rate}))

    return Change(f"{setting.replace('_', ' ')} {rate:g}", apply)


def _batch_norms(model: nn.Module) -> int:
    return sum(isinstance(module, BatchNorm) for module in model.modules())
