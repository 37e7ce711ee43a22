create index item_title_idx on core.item (name);
