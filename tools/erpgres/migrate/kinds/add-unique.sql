-- kind: add a unique constraint (of a table without partitions; with them: add-unique-index)
-- set: constraint, columns
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive while the index is built; access exclusive for an instant
-- breaking: no

create unique index concurrently if not exists {constraint} on {table} ({columns});

alter table {table} add constraint {constraint} unique using index {constraint};
