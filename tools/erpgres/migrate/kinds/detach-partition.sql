-- kind: detach a partition; it stays as a table
-- set: partition
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive; {partition}, access exclusive for an instant
-- breaking: yes (the rows of {partition} are no longer found in {table})

-- lint: allow sqlfluff.PRS: sqlfluff does not know the detachment of a table with its schema
alter table {table} detach partition {partition} concurrently;
