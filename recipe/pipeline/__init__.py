"""The pipeline: stages measure, gates decide, DVC reproduces."""
