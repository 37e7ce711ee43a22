-- domain: core
-- why: lists are read newest first and filtered by what users filter by; each such list has its index
-- locks: SHARE on the tables, instant (no rows yet)
-- breaking: no

create index item_active_idx on core.item (org_id, is_active, id);
create index location_active_idx on core.location (org_id, is_active, id);
create index location_parent_idx on core.location (org_id, parent_id, id);
create index org_unit_parent_idx on core.org_unit (org_id, parent_id, id);
