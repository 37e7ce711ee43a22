-- kind: add a column whose value is computed for each row: back-fill, then not null
-- set: column, type, value, meaning
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; the rows are written in batches by a back-fill
-- breaking: no
-- apply: ahead

alter table {table} add column {column} {type};

alter table {table} alter column {column} set default {value};

comment on column {table}.{column} is {meaning!r};

insert into ops.backfill (name, table_name, statement, remaining)
values (
  '{name}_{column}',
  '{table}',
  'update {table} as t set {column} = {value_quoted} where {{batch}} and t.{column} is null',
  'select from {table} as t where t.{column} is null'
);
