create table core.careless (
  org_id uuid not null,
  item_id uuid,
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id)
);
-- The one index leaves out rows that the key binds.
create index careless_item_idx on core.careless (org_id, item_id) where item_id > '01890000-0000-7000-8000-000000000000';
