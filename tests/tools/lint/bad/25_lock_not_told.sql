-- domain: core
-- why: items have remarks
-- locks: none (new objects)
-- breaking: no
-- expect: migration_header

alter table core.item add column remark text;
