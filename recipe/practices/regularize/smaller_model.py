"""regularize/smaller_model: half the width, or no dense layer."""

from __future__ import annotations

from pydantic import Field

from recipe.errors import TargetError
from recipe.evidence import Finding, practice, skip
from recipe.settings.strict import Strict
from recipe.training.comparison import Change, compare_all, finding
from recipe.training.experiment import Experiment, Training


class Settings(Strict):
    width: float = Field(gt=0, lt=1)


@practice("regularize/smaller_model")
def smaller_model(exp: Experiment) -> Finding:
    """A smaller model overfits less and has the lower validation loss.

    Half the width; and, for images, the average over positions in place of the dense layer (Lin et al. 2013). Source:
    the recipe, 4, "smaller model size".
    """
    changes = smaller_model_changes(exp)
    if not changes:
        return skip(f"{exp.training.model.name} declares no setting (width, hidden) that makes it smaller.")
    return finding(
        exp,
        compare_all(exp, changes),
        advice="Where no gain holds, keep the larger model: its capacity is used, and other means regularise it.",
    )


def smaller_model_changes(exp: Experiment) -> list[Change]:
    """What the model's own settings allow: less width, and average pooling instead of a dense layer."""
    model = exp.training.model
    changes = []
    width = model.declared("width")
    if isinstance(width, int) and width > 1:
        narrower = max(1, round(width * exp.stages.regularize.smaller_model.width))
        changes.append(_with(f"width {narrower} instead of {width}", width=narrower))
    if exp.gets_images and model.declares("hidden") and model.default_of("hidden"):
        changes.append(_with("average pooling instead of a dense layer", hidden=0))
    return [change for change in changes if _can_be_built(exp, change.apply(exp.training))]


def _with(name: str, **settings: int) -> Change:
    def apply(training: Training) -> Training:
        return training.having(model=training.model.having(**settings))

    return Change(name, apply)


def _can_be_built(exp: Experiment, training: Training) -> bool:
    """A user's own model may mean something else by the same name."""
    try:
        exp.new_model(training=training)
    except TargetError:
        return False
    return True
