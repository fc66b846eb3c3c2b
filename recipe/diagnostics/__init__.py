"""Probes of a net, and the likely causes of what they show."""
