create table core.careless (
  org_id uuid not null,
  item_id uuid,
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id)
);
create index careless_item_idx on core.careless (org_id, item_id) where item_id is not null;
