-- path: migrations/V9001__core_case.sql
-- domain: core
-- why: a case
-- locks: core.item, ACCESS EXCLUSIVE, an instant
-- breaking: yes: clients that read the note

alter table core.item drop column note;
