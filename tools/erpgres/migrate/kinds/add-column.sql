-- kind: add a column that may be null
-- set: column, type, meaning
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant (a column without a default)
-- breaking: no
-- apply: ahead

alter table {table} add column {column} {type};

comment on column {table}.{column} is {meaning!r};
