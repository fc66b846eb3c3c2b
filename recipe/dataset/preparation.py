"""Raw inputs to what is stored and fed to the net. Standalone: shipped inside the exported model, so that training and
serving prepare by the very same code; it imports the standard library, numpy, pandas and Pillow alone.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

MAX_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gigabyte of RGB; above it lies a decompression bomb
# What is opened, by the formats' endings. Pillow knows 40 more, which nobody trains on: EPS hands the file to
# Ghostscript, an interpreter of programs, and each of the others is a decoder more that a file may be made for.
FORMATS = {
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "JPEG": (".jpeg", ".jpg"),
    "PNG": (".png",),
    "PPM": (".pbm", ".pgm", ".pnm", ".ppm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SIXTEEN_BIT_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
GRAY_MODES = ("1", "L", "F", *SIXTEEN_BIT_MODES)
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
COLOUR_STRIDE = 8  # a sparse look finds colour in most coloured images before the whole is compared

# pandas' own list for CSV, and the question mark of the UCI archive
MISSING = frozenset(("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")) | {
    *("<NA>", "N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null", "?")
}
NOT_ASCII = r"[^\x00-\x7f]"
# A style is its example: the sign between thousands, if any, stands second, that before decimals last but one.
NUMBER_STYLES = ("1234.5", "1,234.5", "1.234,5", "1 234.5", "1 234,5", "1'234.5", "1'234,5")
# As people and programs type them: minus signs, hyphens and dashes; the spaces of Unicode; apostrophes of any shape.
PLAIN = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u00a0\u2007\u2008\u2009\u202f", " ")
    | dict.fromkeys("\u2019\u02bc\u2032\u00b4\uff07", "'")
)
# Unicode's currency signs with the letters that may stand beside a dollar, ISO 4217's codes of the currencies that
# nine tenths of trade are in, and what is written in their place.
CURRENCY = (
    r"(?:[A-Z]{0,3}[$\xa2-\xa5\u058f\u060b\u09f2\u09f3\u0e3f\u20a0-\u20c0\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6]"
    r"|USD|EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|NZD|HKD|SGD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|RUB|UAH|TRY|ILS|INR|KRW"
    r"|THB|IDR|MYR|PHP|VND|BRL|MXN|ARS|CLP|COP|ZAR|NGN|EGP|SAR|AED|kr\.?|Fr\.?|Rs\.?|z\u0142|K\u010d|Ft|lei)"
)
UNIT = rf"^([-+]?)\s*(?:{CURRENCY}|%)\s*([-+]?)|\s*(?:{CURRENCY}|%|\u2030)$"
SECONDS_A_DAY = 86_400
DAYS_A_YEAR = 365.2425  # the mean Gregorian year
LARGEST_NUMBER = 1e150  # whose square double precision still holds; what is standardised by it fits single precision
SERIAL = r"[2-5]\d{4}(?:\.\d+)?"  # 1954 to 2064 as Excel counts days where a cell has lost its format
CENTURY = re.compile("(19|20)%y")  # in a format: what two digits for a year leave out
FIRST_SERIAL = "1899-12-30"  # Excel's day 0, with the leap day of 1900 that there never was


IMAGE_COLUMN = "image"  # of a raw input
DATA_URI = re.compile(r"^data:[\w/+.-]*;base64,")


class UnreadableImageError(ValueError):
    """Bytes that are no image, or one that is refused; the message is the reason, as the end of a sentence."""


def raw_columns(preparation: dict[str, Any]) -> list[str]:
    """The columns that a raw input must have."""
    if preparation["kind"] == "images":
        return [IMAGE_COLUMN]
    return [column["name"] for column in preparation["columns"]]


def prepare_inputs(rows: pd.DataFrame, preparation: dict[str, Any]) -> np.ndarray:
    """Raw inputs as they are stored: images uint8 (N, C, H, W), or rows float32 (N, F).

    Args:
        rows: a table's raw columns; for images one column `image` with the bytes of image files, or the same as
            base64. File paths are not read: a served model must not open files for whoever asks.

    Raises:
        ValueError: one sentence that names the first row that is no image.
    """
    if preparation["kind"] == "images":
        values = enumerate(rows[IMAGE_COLUMN])
        images = [prepare_named(_bytes(value, row), f"row {row}", preparation) for row, value in values]
        return np.stack(images) if images else np.empty((0, *preparation["input_shape"]), np.uint8)
    return prepare_rows(rows, preparation)


def prepare_named(data: bytes, name: str, preparation: dict[str, Any]) -> np.ndarray:
    """The bytes of an image file as uint8 (C, H, W).

    Raises:
        ValueError: they do not decode; the sentence calls them `name`.
    """
    try:
        return prepare_image(data, preparation)
    except ValueError as error:
        raise ValueError(f"The image in {name} cannot be read: {str(error).rstrip('.')}.") from error


def prepare_image(image: Image.Image | Path | str | bytes, preparation: dict[str, Any]) -> np.ndarray:
    """An image as it is stored: uint8 (C, H, W), upright, resized to the preparation's height and width.

    The net gets it as float32 divided by 255, then goes the transform.

    Raises:
        UnreadableImageError: it does not decode.
        OSError: the path cannot be opened.
    """
    pixels = preparation["pixels"]
    if not isinstance(image, Image.Image):
        image = open_image(image)
    image = resized(normalised(image), pixels["height"], pixels["width"])
    return to_array(image, pixels["channels"])


def prepare_rows(rows: pd.DataFrame, preparation: dict[str, Any]) -> np.ndarray:
    """Rows of a table as the net gets them: float32 (N, F), in the order of `preparation["features"]`.

    Raises:
        ValueError: a column that the preparation knows is missing.
    """
    missing = [column["name"] for column in preparation["columns"] if column["name"] not in rows.columns]
    if missing:
        raise ValueError(f"The rows lack the columns {', '.join(missing)}.")
    prepared = np.empty((len(rows), len(preparation["features"])), dtype=np.float32)
    start = 0
    for column in preparation["columns"]:
        block = prepare_column(rows[column["name"]], column)
        prepared[:, start : start + block.shape[1]] = block
        start += block.shape[1]
    return prepared


# Images


def _bytes(value: Any, row: int) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, str):
        raise ValueError(f"The image in row {row} is {type(value).__name__}: give an image file's bytes as base64.")
    try:
        return base64.b64decode("".join(DATA_URI.sub("", value, count=1).split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"The image in row {row} is not base64: give an image file's bytes as base64.") from error


def open_image(source: Path | str | bytes) -> Image.Image:
    """The first frame of an image file, decoded and upright.

    Raises:
        UnreadableImageError: it is empty, no image of one of `FORMATS`, cut short, broken, or larger than `MAX_PIXELS`.
        OSError: the path cannot be opened.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise UnreadableImageError("the file is empty")
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=tuple(FORMATS))
        refuse_bomb(image.size)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow's decoders raise a dozen kinds
        raise UnreadableImageError(reason_of(error)) from error
    return image


def refuse_bomb(size: tuple[int, int]) -> None:
    """Refuse an image whose header promises more than `MAX_PIXELS`.

    Raises:
        UnreadableImageError: it does.
    """
    if size[0] * size[1] > MAX_PIXELS:
        raise UnreadableImageError(f"{size[0]} x {size[1]} pixels are more than the {MAX_PIXELS} allowed")


def reason_of(error: Exception) -> str:
    """Why an image did not decode, as the end of a sentence."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is not an image"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than the {MAX_PIXELS} pixels allowed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def normalised(image: Image.Image) -> Image.Image:
    """`image` in mode L or RGB: 16 bits scaled to 8, what is transparent on white, palettes and inks to RGB."""
    if image.mode in SIXTEEN_BIT_MODES:
        levels = np.clip(np.asarray(image, dtype=np.int64), 0, 65_535) >> 8
        return Image.fromarray(levels.astype(np.uint8))
    if image.mode in GRAY_MODES:
        return image if image.mode == "L" else image.convert("L")
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def has_transparency(image: Image.Image) -> bool:
    """Whether any pixel lets the ground through."""
    if image.mode not in ALPHA_MODES and "transparency" not in image.info:
        return False
    return int(np.asarray(image.convert("RGBA").getchannel("A")).min()) < 255


def resized(image: Image.Image, height: int, width: int) -> Image.Image:
    """`image` stretched to `height` x `width`; Pillow's bilinear filter averages when it shrinks."""
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BILINEAR)


def to_array(image: Image.Image, channels: int) -> np.ndarray:
    """A normalised image as uint8 (C, H, W) with 1 or 3 channels."""
    mode = "L" if channels == 1 else "RGB"
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    return array[np.newaxis] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def has_colour(pixels: np.ndarray) -> bool:
    """Whether uint8 pixels (H, W) or (H, W, 3) differ between their channels anywhere."""
    if pixels.ndim == 2:
        return False
    for look in (pixels[::COLOUR_STRIDE, ::COLOUR_STRIDE], pixels):
        red = look[..., 0]
        if not (np.array_equal(red, look[..., 1]) and np.array_equal(red, look[..., 2])):
            return True
    return False


# Tables


def prepare_column(values: pd.Series, column: dict[str, Any]) -> np.ndarray:
    """One raw column as its features (N, f), float64: see `feature_names` for what they are."""
    if column["kind"] == "number":
        return _standardised(as_numbers(values, column["style"], absent_in(column)), column)
    if column["kind"] == "date":
        dates = as_dates(values, column["format"], absent_in(column), column.get("serials", False))
        return _date_features(dates, column)
    return _one_hot(as_text(values, absent_in(column)), column)


def absent_in(column: dict[str, Any]) -> Iterable[str]:
    """The words that stand for a missing value in a column: `MISSING`, unless its data set has its own."""
    return words_for_missing(column.get("absent"))


def words_for_missing(own: Iterable[str] | None) -> Iterable[str]:
    """The words of a data set of its own, where it has such, else `MISSING`."""
    return MISSING if own is None else own


def feature_names(column: dict[str, Any]) -> list[str]:
    """The names of a column's features, in the order of `prepare_column`."""
    name = column["name"]
    if column["kind"] == "number":
        names = [name]
    elif column["kind"] == "date":
        names = [f"{name} {part}" for part in ("days", *column["cycles"])]
    else:
        names = [f"{name}={category}" for category in column["categories"]]
        names += [f"{name}=other"] if column["other"] else []
    return [*names, f"{name} missing"] if column["missing"] else names


def as_text(values: pd.Series, absent: Iterable[str] = MISSING) -> pd.Series:
    """Any column as stripped text in Unicode's composed form (NFC); whole floats as integers, so that 3.0 and "3" are
    the same; missing, which is what `absent` has, as NaN.
    """
    text = values.astype("str")
    if pd.api.types.is_float_dtype(values.dtype):
        text = text.str.replace(r"\.0$", "", regex=True)
    text = text.str.strip()
    foreign = text.str.contains(NOT_ASCII, na=False)
    if foreign.any():
        text = text.where(~foreign, text[foreign].str.normalize("NFC").reindex(text.index))
    return text.mask(text.isin(absent))


def as_numbers(values: pd.Series, style: str, absent: Iterable[str] = MISSING) -> np.ndarray:
    """Any column as float64 (N,); NaN where there is no number up to `LARGEST_NUMBER`.

    Text may be written in one of `NUMBER_STYLES`, with a minus of any shape before it or behind, or in parentheses as
    accountants write it, with a currency or a per cent sign before or behind.
    """
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        values = values.dt.total_seconds()
    if absent is not MISSING:
        values = values.mask(as_text(values).isin(absent))
    if pd.api.types.is_bool_dtype(values.dtype) or not pd.api.types.is_numeric_dtype(values.dtype):
        return numbers_in(as_text(values, absent), style)
    return _finite(values)


def numbers_in(text: pd.Series, style: str) -> np.ndarray:
    """The same of text that `as_text` gave."""
    return _finite(_parsed(text, style))


def _finite(values: pd.Series) -> np.ndarray:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.abs(numbers) <= LARGEST_NUMBER, numbers, np.nan)


def _parsed(text: pd.Series, style: str) -> pd.Series:
    numbers = pd.Series(np.nan, index=text.index)
    if style == NUMBER_STYLES[0]:
        numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    left = text[numbers.isna() & text.notna()]
    if left.empty:
        return numbers
    left = left.str.translate(PLAIN)
    left = left.str.replace(r"^\((.*)\)$|^(.*)-$", r"-\1\2", regex=True)
    left = left.str.replace(UNIT, r"\1\2", regex=True)
    left = left[left.str.fullmatch(written(style), na=False)]
    thousands, decimal = signs(style)
    left = left.str.replace(thousands, "", regex=False) if thousands else left
    numbers[left.index] = pd.to_numeric(left.str.replace(decimal, ".", regex=False), errors="coerce").astype("float64")
    return numbers


def signs(style: str) -> tuple[str, str]:
    """What stands between thousands in a style, if anything, and before decimals."""
    return style[1] if len(style) > len(NUMBER_STYLES[0]) else "", style[-2]


def written(style: str) -> str:
    """What a bare number in the style looks like, so that 3,14 is not taken for 314, nor 0.125 for 125."""
    thousands, decimal = map(re.escape, signs(style))
    grouped = rf"[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|" if thousands else ""
    return rf"[-+]?(?:(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d+)?"


def as_dates(values: pd.Series, date_format: str, absent: Iterable[str] = MISSING, serials: bool = False) -> pd.Series:
    """Any column as naive UTC timestamps; NaT where there is none.

    Args:
        date_format: as strptime has it; of two digits for a year `19%y` or `20%y` says the century, which the cells
            leave out.
        serials: whether a number is a day as Excel counts them.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    text = as_text(values, absent)
    century = CENTURY.search(date_format)
    written = CENTURY.sub("%y", date_format)
    dates = pd.to_datetime(text, format=written, errors="coerce", utc=True).dt.tz_localize(None)
    if century:  # strptime takes 69 to 99 for 1969 to 1999, and 00 to 68 for 2000 on
        off = dates.dt.year // 100 - int(century[1])
        dates = dates.where(off != 1, dates - pd.DateOffset(years=100))
        dates = dates.where(off != -1, dates + pd.DateOffset(years=100))
    days = text.where(text.str.fullmatch(SERIAL, na=False)) if serials else text.iloc[:0]
    if days.notna().any():
        counted = pd.to_datetime(days.astype("float64"), unit="D", origin=FIRST_SERIAL)
        dates = counted.fillna(dates)
    return dates


def epoch_days(dates: pd.Series) -> np.ndarray:
    """Days since 1970-01-01, with their fraction, float64 (N,); NaN where there is no date."""
    microseconds = dates.to_numpy().astype("datetime64[us]")  # nanoseconds end in 2262, and begin in 1677
    seconds = np.where(np.isnat(microseconds), np.nan, microseconds.astype(np.int64) / 1e6)
    return seconds / SECONDS_A_DAY


def _standardised(numbers: np.ndarray, column: dict[str, Any]) -> np.ndarray:
    missing = np.isnan(numbers)
    filled = np.where(missing, column["fill"], numbers)
    block = ((filled - column["mean"]) / column["std"])[:, np.newaxis]
    return np.column_stack([block, missing]) if column["missing"] else block


CYCLE_DAYS = {"year": DAYS_A_YEAR, "week": 7.0, "day": 1.0}


def _date_features(dates: pd.Series, column: dict[str, Any]) -> np.ndarray:
    """Standardised epoch days, and the sine or cosine of the phase within each cycle, 0 where the date is missing."""
    days = epoch_days(dates)
    missing = np.isnan(days)
    block = [_standardised(days, {**column, "missing": False})]
    for cycle in column["cycles"]:
        period, _, wave = cycle.partition(" ")
        phase = 2 * math.pi * np.where(missing, 0.0, days) / CYCLE_DAYS[period]
        block.append(np.where(missing, 0.0, np.sin(phase) if wave == "sine" else np.cos(phase))[:, np.newaxis])
    return np.column_stack([*block, missing] if column["missing"] else block)


def _one_hot(text: pd.Series, column: dict[str, Any]) -> np.ndarray:
    """A column a category; "other" takes what is rare or unseen, where training knew such; else that is all zeros."""
    categories = column["categories"]
    codes = pd.Index(categories, dtype=object).get_indexer(pd.Index(text.astype(object)))
    missing = text.isna().to_numpy()
    block = np.zeros((len(text), len(feature_names(column))))
    known = codes >= 0
    block[np.flatnonzero(known), codes[known]] = 1.0
    if column["other"]:
        block[:, len(categories)] = ~known & ~missing
    if column["missing"]:
        block[:, -1] = missing
    return block
