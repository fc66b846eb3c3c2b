"""How a batch from production is judged; conf/monitor.yaml has the sources."""

from pydantic import Field

from recipe.settings.strict import Strict


class Monitor(Strict):
    """`monitor`: what `recipe monitor` measures, and what it takes for a change."""

    alpha: float = Field(default=0.01, gt=0, lt=0.5)
    unfamiliar_rate: float = Field(default=0.01, gt=0, lt=0.5)
    max_unfamiliar: float = Field(default=0.05, ge=0, le=1)
    confidence_distance: float = Field(default=0.1, ge=0, lt=1)
