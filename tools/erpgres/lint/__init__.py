"""The lint: rules on the text of SQL files and on the migrated catalog, sqlfluff and squawk, one list of findings."""
