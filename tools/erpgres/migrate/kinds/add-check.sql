-- kind: add a check constraint
-- set: constraint, check
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; share update exclusive while the rows are looked at
-- breaking: no

alter table {table} add constraint {constraint} check ({check}) not valid;

alter table {table} validate constraint {constraint};
