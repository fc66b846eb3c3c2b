"""Tests of what a person decides about single examples."""
