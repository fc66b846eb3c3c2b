"""How many there are of something, in words that agree with the number."""


def counted(count: int, one: str, more: str | None = None) -> str:
    """`1 class`, `1,200 classes`; the plural is `one` with an s where `more` does not say it."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
