-- kind: drop a constraint
-- set: constraint
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant; of a foreign key the table it points at, too
-- breaking: no
-- apply: ahead

-- lint: allow squawk.ban-drop-constraint: what it kept out may come
alter table {table} drop constraint {constraint};
