-- kind: add a column with a constant default, null allowed or not
-- set: column, type, default, meaning, null=not null
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant: a constant default is kept in the catalog, no row is written. (One
-- that is computed, as uuidv7(), would write every row: add the column without it, set the default, back-fill.)
-- breaking: no
-- apply: ahead

alter table {table} add column {column} {type} {null} default {default};

comment on column {table}.{column} is {meaning!r};
