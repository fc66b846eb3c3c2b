"""The recipe's second part: the whole skeleton, with dumb baselines."""
