"""Measured, not claimed: accuracy beside baselines over split seeds, and speed beside a bare loop; `make bench`."""
