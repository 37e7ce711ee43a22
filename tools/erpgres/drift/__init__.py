"""Drift: how a live database differs from what the repository builds, and what was changed in it by hand."""
