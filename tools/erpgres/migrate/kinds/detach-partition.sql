-- kind: detach a partition; it stays as a table
-- set: partition
-- file: migration, in steps
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share update exclusive; {partition}, access exclusive for an instant
-- breaking: yes, the rows of {partition} are no longer found in {table}

alter table {table} detach partition {partition} concurrently;
