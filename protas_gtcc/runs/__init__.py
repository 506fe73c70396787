"""Whole runs: evaluate one, cross-validate, compare, and start many at once."""
