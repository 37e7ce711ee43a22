"""Brings a database to the state that the repository describes: cluster, migrations, repeatable layer, data."""
