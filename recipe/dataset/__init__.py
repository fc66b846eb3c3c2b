"""The data set: read from its source, split, prepared once, and loaded by every stage after ingest."""
