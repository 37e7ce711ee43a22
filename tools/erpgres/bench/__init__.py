"""Benchmarks: each compares two ways in one run, interleaved, because two runs of this or that cannot be compared."""
