-- kind: drop a table that nothing uses any more
-- set:
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table} and the tables that its foreign keys point at, access exclusive for an instant
-- breaking: no (views and functions of the release before this one do not use it; else this is refused)
-- apply: ahead

drop table {table};
