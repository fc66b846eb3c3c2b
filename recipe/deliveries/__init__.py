"""Deliveries of new data: found, examined against what is there, taken in whole or not at all, or set aside."""
