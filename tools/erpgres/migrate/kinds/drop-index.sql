-- kind: drop an index
-- set: index
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive; access exclusive for an instant if it is partitioned
-- breaking: no

drop index concurrently if exists {schema}.{index};
