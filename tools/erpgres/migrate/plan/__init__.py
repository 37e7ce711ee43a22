"""`erpgres migrate plan`: what the pending migrations would do to a live database, measured on a clone of it."""
