"""A batch from production against the data and the model that are in use."""

from recipe.monitoring.monitor import monitor
from recipe.monitoring.pending import newest_batch, note_failure

__all__ = ["monitor", "newest_batch", "note_failure"]
