"""A workspace of one's own, made from the installed package."""
