"""Documentation that is made from the source: comments, catalog, reference data, commands, migrations."""
