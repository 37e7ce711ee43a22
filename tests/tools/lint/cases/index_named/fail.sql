-- path: migrations/V9001__core_case.sql
create index on core.item (org_id, name);
