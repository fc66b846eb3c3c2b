"""How the dates of a column are written."""

import pandas as pd

from recipe.dataset.number_styles import LIKELY_SHARE, SAME_KIND_SHARE
from recipe.dataset.preparation import SERIAL, as_dates
from recipe.dataset.sampling import spread

DAYS = (  # where two read the same cells the first is taken: month before day, as pandas has it
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y"),
    *("%m-%d-%Y", "%d-%m-%Y", "%m-%d-%y", "%d-%m-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%b %d, %Y", "%B %d %Y", "%B %d, %Y"),
)
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
WHOLE = ("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z")  # C, mail, web servers
DATE_FORMATS = ("ISO8601", *DAYS, *(f"{day} {time}" for day in DAYS for time in TIMES), *TIMES, *WHOLE)
COMPACT = "%Y%m%d"
COMPACT_DAY = r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # 3 of 100 numbers of eight digits look so
MOST_SERIALS = 0.5  # with more days counted than written it is a column of numbers


def date_format_of(present: pd.Series) -> str | None:
    """The format that reads most of the values (text, none missing), at least `SAME_KIND_SHARE`; None: no dates.

    What may be one of Excel's days is left aside, unless all may.
    """
    if are_compact_days(present):
        return COMPACT
    present = present[~are_serials(present)]
    probe = spread(present)
    if not probe.str.contains(r"\d\D+\d", regex=True).mean() >= LIKELY_SHARE:  # nor where there is none
        return None
    likely = [name for name in DATE_FORMATS if _share(probe, name) >= LIKELY_SHARE]
    shares = {name: _share(present, name) for name in likely}
    best = max(shares, key=shares.__getitem__, default=None)
    return best if best and shares[best] >= SAME_KIND_SHARE else None


def are_compact_days(present: pd.Series) -> bool:
    """Whether all values (text, none missing) are days such as 20240131."""
    if present.empty or not spread(present).str.fullmatch(COMPACT_DAY).all():
        return False
    return bool(as_dates(present, COMPACT).notna().all())


def are_serials(present: pd.Series) -> pd.Series:
    """Which values (N,) may be days as Excel counts them, among others that are written out."""
    serials = present.str.fullmatch(SERIAL, na=False)
    return serials & (serials.mean() <= MOST_SERIALS)


def day_or_month(present: pd.Series, date_format: str) -> bool:
    """Whether day and month could be exchanged in every value, and some date would be another."""
    other = exchanged(date_format)
    if other == date_format or other not in DATE_FORMATS:
        return False
    here, there = as_dates(present, date_format), as_dates(present, other)
    known = here.notna()
    return bool(there[known].notna().all() and (here[known] != there[known]).any())


def exchanged(date_format: str) -> str:
    """The format with the day where the month is, and the month where the day is."""
    return date_format.translate(str.maketrans("dm", "md"))


def _share(values: pd.Series, date_format: str) -> float:
    return float(as_dates(values, date_format).notna().mean())
