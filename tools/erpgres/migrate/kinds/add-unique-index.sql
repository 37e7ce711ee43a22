-- kind: add a unique index, on every partition if there are some; what points at its columns may refer to it
-- set: constraint, columns
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive while the index is built; share for an instant if it is partitioned
-- breaking: no

create unique index concurrently if not exists {constraint} on {table} ({columns});
