-- kind: drop a column that nothing uses any more
-- set: column
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; the space is freed as rows are written again
-- breaking: no (views and functions of the release before this one do not use it; else this is refused)
-- apply: ahead

alter table {table} drop column {column};
