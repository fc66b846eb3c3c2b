"""What makes a run another run: its settings but for those that change no number."""

from __future__ import annotations

from typing import Any

from recipe.settings import Settings

# A changed threshold, server or worker count is the same run.
NOT_IN_KEY = frozenset(("thresholds", "tracking", "fanout", "watch", "retrain", "monitor"))


def identity(settings: Settings) -> dict[str, Any]:
    """What makes a run another run."""
    return {name: value for name, value in plain(settings).items() if name not in NOT_IN_KEY}


def plain(settings: Settings) -> dict[str, Any]:
    """`settings` as plain mappings."""
    return settings.model_dump(mode="json", by_alias=True)
