"""Stage 5: search the hyperparameters, and confirm what the search prefers."""
