-- domain: core
-- why: prices need six places
-- locks: core.item, ACCESS EXCLUSIVE, while the table is written anew
-- breaking: no
-- expect: squawk.changing-column-type

alter table core.item alter column price type numeric(20, 6);
