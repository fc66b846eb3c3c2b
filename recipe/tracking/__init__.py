"""Runs and models in MLflow: connected to, published, found again."""
