"""A delivery that a killed process had half taken in, finished before a run reads the data set."""

from pathlib import Path

from recipe.deliveries.incoming import DECIDED, claimed


def finish_deliveries(workspace: Path) -> None:
    """A data set that a killed process had half grown by a delivery is grown whole before a run reads it.

    Whoever calls has the workspace for that run.
    """
    if any((folder / DECIDED).is_file() for folder in claimed(workspace)):
        from recipe.deliveries.receive import finish_begun  # pandas, which an ordinary run need not pay for

        finish_begun(workspace)
