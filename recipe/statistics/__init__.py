"""Intervals, paired comparisons and clusters: what may be said of an estimate."""
