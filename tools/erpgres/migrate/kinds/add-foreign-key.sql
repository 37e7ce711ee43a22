-- kind: add a foreign key with its index
-- set: constraint, columns, references, key=org_id; id
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table} and {references}, share row exclusive for an instant; then share update exclusive and row share while
-- the rows are looked at
-- breaking: no

create index concurrently if not exists {name}_{first}_idx on {table} ({columns});

alter table {table} add constraint {constraint}
foreign key ({columns}) references {references} ({key}) not valid;

alter table {table} validate constraint {constraint};
