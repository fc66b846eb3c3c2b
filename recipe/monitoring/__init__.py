"""A batch from production against the data and the model that are in use."""
