"""The recipe's third part: a model that gets the training loss low."""
