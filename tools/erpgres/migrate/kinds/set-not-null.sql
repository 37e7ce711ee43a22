-- kind: forbid null in a column that has rows
-- set: column
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; share update exclusive while the rows are looked at
-- breaking: no

-- lint: allow sqlfluff.PRS: sqlfluff does not know a not null constraint with a name
alter table {table} add constraint {name}_{column}_not_null not null {column} not valid;

alter table {table} validate constraint {name}_{column}_not_null;
