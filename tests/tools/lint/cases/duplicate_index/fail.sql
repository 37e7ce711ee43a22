create index item_activity_idx on core.item (org_id, is_active);
