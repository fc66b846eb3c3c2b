"""Intervals, paired comparisons and clusters: what may be said of a figure."""
