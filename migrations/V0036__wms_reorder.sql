-- domain: wms
-- why: what is to be kept in stock of an item, and indexes by which lots are found by number and by expiry
-- locks: share on wms.lot while two indexes are built (writers of lots wait)
-- breaking: no

create table wms.reorder_rule (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid not null,
  warehouse_id uuid not null,
  minimum numeric(18, 6) not null,
  maximum numeric(18, 6) not null,
  multiple numeric(18, 6) not null default 1,
  note text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint reorder_rule_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint one_reorder_rule_per_item_and_warehouse unique (org_id, warehouse_id, item_id),
  constraint minimum_not_negative check (minimum >= 0),
  constraint maximum_above_minimum check (maximum >= minimum and maximum > 0),
  constraint multiple_positive check (multiple > 0)
);

comment on table wms.reorder_rule is
  'When an item is short in a warehouse (below minimum), and how much is ordered then: up to maximum, in whole multiples';
comment on column wms.reorder_rule.minimum is 'Short when less than this may be taken, in the unit that the item is kept in';
comment on column wms.reorder_rule.maximum is 'How much there is to be once what is ordered has come';
comment on column wms.reorder_rule.multiple is 'It is ordered in multiples of this: a carton, a pallet';

create index reorder_rule_item_idx on wms.reorder_rule (org_id, item_id, id);
create index reorder_rule_warehouse_idx on wms.reorder_rule (org_id, warehouse_id, id);

alter table wms.reorder_rule enable row level security;
alter table wms.reorder_rule force row level security;

-- lint: allow squawk.require-concurrent-index-creation: lots are few beside documents; a million take two seconds
create index lot_expiry_idx on wms.lot (org_id, expires_on, id) where expires_on is not null;
-- lint: allow squawk.require-concurrent-index-creation: lots are few beside documents; a million take two seconds
create index lot_no_idx on wms.lot (org_id, lot_no, id);
