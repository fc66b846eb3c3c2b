"""How far one column, the labels, or all inputs together have moved between two samples."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shift:
    """How far from 0 to 1, the p-value of no move at all, and what moved, in a sentence."""

    score: float
    p_value: float
    detail: str


def unmoved(detail: str) -> Shift:
    """Where there is nothing to compare, or no difference to see; `detail` says why."""
    return Shift(0.0, 1.0, detail)


def percent(share: float) -> str:
    """`0.1234` as `12.3 %`."""
    return f"{100 * share:.1f} %"
