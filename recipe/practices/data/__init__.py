"""The recipe's first part: become one with the data."""
