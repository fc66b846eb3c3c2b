"""regularize/early_stopping: stop where the validation loss is lowest."""

from __future__ import annotations

from recipe.evidence import Finding, practice, skip
from recipe.training.comparison import Change, compare, finding, with_seeds
from recipe.training.experiment import Experiment
from recipe.training.fit import fit_all


@practice("regularize/early_stopping")
def early_stopping(exp: Experiment) -> Finding:
    """The weights of the epoch with the lowest validation loss are better than those of the last.

    Costs no training: the control's own way is looked back on. The epoch for each example is chosen by the other folds
    of the validation split, because the best of many looks better on what chose it. Source: the recipe, 4.
    """
    changes = early_stopping_changes(exp)
    if not changes:
        return skip("Every training here keeps its best epoch already.")
    best = [run.history.best_epoch for run in fit_all(exp, with_seeds(exp, exp.training))]
    return finding(
        exp,
        [compare(exp, exp.training, change) for change in changes],
        advice="Where the best epoch is the last, the training was cut short: raise budget.epochs.",
        remark=f" The best epochs are {', '.join(map(str, best))} of {exp.training.epochs}.",
    )


def early_stopping_changes(exp: Experiment) -> list[Change]:
    """Keeping the best epoch, where that is not on already."""
    if exp.training.keep_best:
        return []
    return [Change("early stopping", lambda training: training.having(keep_best=True))]
