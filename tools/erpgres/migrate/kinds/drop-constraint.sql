-- kind: drop a constraint
-- set: constraint
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; of a foreign key the table it points at, too
-- breaking: no
-- apply: ahead

alter table {table} drop constraint {constraint};
