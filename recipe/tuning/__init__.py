"""The search over the settings of a training."""
