"""Stage 6: squeeze out the rest, and read the test set once."""
