"""Data that the tools bring in: reference data, the example group, benchmark data."""
