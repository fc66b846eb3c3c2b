"""Training: the loop, what it works on, how it is evaluated, and many trainings side by side."""

from recipe.training.loop import Augment, History, Optimizer, train

__all__ = ["Augment", "History", "Optimizer", "train"]
