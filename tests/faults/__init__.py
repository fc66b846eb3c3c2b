"""Deliberately broken data sets, models, losses, optimizers and transforms."""
