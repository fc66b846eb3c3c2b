"""What makes a run another run: its settings but for those that change no number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipe.settings import Settings

# A changed threshold, server or worker count is the same run.
NOT_IN_KEY = frozenset(("thresholds", "tracking", "fanout", "watch", "retrain", "monitor"))
# Of the data: what may join them is none of them yet, and what the decisions changed the prepared data tell.
NOT_IN_DATA = frozenset(("delivery", "decisions", "annotations"))


def identity(settings: Settings) -> dict[str, Any]:
    """What makes a run another run."""
    return without_what_changes_nothing(plain(settings))


def without_what_changes_nothing(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Plain `settings` without those that change no number."""
    named = {name: value for name, value in settings.items() if name not in NOT_IN_KEY}
    return {**named, "data": {name: value for name, value in named["data"].items() if name not in NOT_IN_DATA}}


def plain(settings: Settings) -> dict[str, Any]:
    """`settings` as plain mappings."""
    return settings.model_dump(mode="json", by_alias=True)
