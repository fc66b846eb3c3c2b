"""training-recipe: every practice of the recipe for training neural networks, as a measured check."""

__version__ = "0.1.0"
