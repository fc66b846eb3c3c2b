"""The data set: read from its source, split, prepared once, and loaded by every stage after ingest."""

from recipe.dataset.ingestion import Ingested, ingest
from recipe.dataset.stored import Dataset, load_dataset

__all__ = ["Dataset", "Ingested", "ingest", "load_dataset"]
