-- domain: core
-- why: prices need six places
-- locks: core.item, ACCESS EXCLUSIVE, an instant
-- breaking: no

alter table core.item add column price_exact numeric(20, 6);
