-- domain: core
-- why: items have remarks
-- locks: core.item, ACCESS EXCLUSIVE, an instant
-- breaking: no

alter table core.item add column remark text;
