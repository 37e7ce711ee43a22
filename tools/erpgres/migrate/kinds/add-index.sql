-- kind: add an index, on every partition if there are some
-- set: columns, index={name}_{first}_idx
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive while the index is built; share for an instant if it is partitioned
-- breaking: no

create index concurrently if not exists {index} on {table} ({columns});
