"""What a run is made of, and whether it is still so: data, settings and code."""
