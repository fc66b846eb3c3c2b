"""Numbers as a person reads them, the same on the page and in the terminal."""

import math

from recipe.evidence import Finding

DIGITS = 4
PERCENT = ("accuracy", "balanced_accuracy")  # the metrics that people say in percent
SMALL, LARGE, LARGEST_COUNT = 1e-4, 1e6, 1e9  # beyond them powers of ten read better


def number(value: float | str | None) -> str:
    """Four digits, thousands set apart, a true minus; an em dash for what was not measured."""
    if value is None:
        return "—"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "not finite"
    if float(value).is_integer() and abs(value) < LARGEST_COUNT:
        return _signed(f"{int(value):,}")
    decimals = _decimals(value)
    if decimals is None:
        return _signed(f"{value:.2e}")
    text = f"{value:,.{decimals}f}"
    return _signed(text.rstrip("0") if decimals > DIGITS else text)


def interval(bounds: tuple[float | None, float | None] | None) -> str:
    """`0.9750 to 0.9860`, both with the same decimals; nothing where there is no interval."""
    if not bounds:
        return ""
    low, high = bounds
    decimals = _decimals(max(abs(low), abs(high))) if low is not None and high is not None else None
    if decimals is None:
        return f"{number(low)} to {number(high)}"
    return _signed(f"{low:,.{decimals}f} to {high:,.{decimals}f}")


def scored(metric: str, value: float | None) -> str:
    """A value of `metric` as a person says it: `98.6 %`, `0.467`."""
    if value is None or not math.isfinite(value):
        return number(value)
    if metric in PERCENT:
        return f"{value:.1%}".replace("%", " %")
    return _signed(f"{value:.3f}") if abs(value) < 10 else number(value)


def scored_interval(metric: str, bounds: tuple[float, float] | None) -> str:
    """`[97.1, 99.3]`, in the unit of `scored`; nothing where there is no interval."""
    return f"[{', '.join(scored(metric, end).removesuffix(' %') for end in bounds)}]" if bounds else ""


def metric_in_words(metric: str) -> str:
    """`balanced_accuracy` as a person says it."""
    return {"F1": "macro F1"}.get(metric, metric.replace("_", " "))


def expectation(finding: Finding) -> str:
    """What was expected, with its tolerance; nothing where any number would do."""
    if finding.expected is None:
        return ""
    return _shortest(finding.expected) + (f" ± {_shortest(finding.tolerance)}" if finding.tolerance else "")


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _shortest(value: float | str) -> str:
    """A given number has no digits to measure: 0.05, not 0.0500."""
    return value if isinstance(value, str) else _signed(f"{value:.{DIGITS}g}")


def _decimals(value: float) -> int | None:
    """How many decimals show four digits of `value`, and at least two of a small one; None for a power of ten."""
    magnitude = abs(value)
    if not SMALL <= magnitude < LARGE:
        return None
    order = math.floor(math.log10(magnitude))
    return max(0, min(DIGITS, DIGITS - 1 - order), 1 - order)


def _signed(text: str) -> str:
    return text.replace("-", "−")


def cost_in_words(trainings: float, examples: int) -> str:
    """So many trainings, and so many examples that a person brings or looks at; empty for neither."""
    many = f"{trainings:.2g}" if trainings < 10 else f"{trainings:,.0f}"
    trained = f"{many} training{'' if many == '1' else 's'}" if trainings else ""
    looked_at = f"{examples:,} example{'' if examples == 1 else 's'}" if examples else ""
    return " and ".join(filter(None, (trained, looked_at)))
