-- path: migrations/V9001__core_case.sql
-- domain: core
-- why: a case
-- locks: none (new objects)
-- breaking: no

alter table core.item drop column note;
