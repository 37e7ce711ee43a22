create index item_title_idx on core.item (org_id, name);
