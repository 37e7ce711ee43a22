"""The lock table: which locks, rewrites and scans each kind of statement takes, as data, and how it is measured."""
