-- path: migrations/V9001__core_case.sql
create index item_name_idx on core.item (org_id, name);
create unique index one_name_per_item on core.item (org_id, name);
