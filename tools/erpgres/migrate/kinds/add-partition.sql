-- kind: add a table with rows as a partition: a valid check proves its bounds, so that nothing is looked at
-- set: partition, key, from, to
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {partition}, access exclusive for an instant, share update exclusive while its rows are looked at; {table},
-- share update exclusive for an instant
-- breaking: no

alter table {partition} add constraint in_bounds
check ({key} is not null and {key} >= {from} and {key} < {to}) not valid;

alter table {partition} validate constraint in_bounds;

-- lint: allow sqlfluff.PRS: sqlfluff does not know the attachment of a table with its schema
alter table {table} attach partition {partition} for values from ({from}) to ({to});

-- lint: allow squawk.ban-drop-constraint: the bounds of the partition say the same
alter table {partition} drop constraint in_bounds;
