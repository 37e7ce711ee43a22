-- domain: wms
-- why: the ledger of every movement of stock, and the balances that follow from it
-- locks: none (new objects)
-- breaking: no

create table wms.stock_ledger (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid not null,
  lot_id uuid,
  location_id uuid not null,
  delta numeric(18, 6) not null,
  document_id uuid not null,
  line_id uuid not null,
  occurred_at timestamptz not null,
  posted_at timestamptz generated always as (uuid_extract_timestamp(id)) virtual,
  constraint stock_ledger_pkey primary key (org_id, id),
  constraint line_exists foreign key (org_id, document_id, line_id)
  references wms.document_line (org_id, document_id, id),
  constraint delta_not_zero check (delta <> 0),
  constraint occurred_before_it_was_posted check (occurred_at <= uuid_extract_timestamp(id))
) partition by range (id);

comment on table wms.stock_ledger is
  'Every movement of stock: two rows a line, what leaves one place (negative) and what reaches another (positive), so that '
  'the sum over all places, the virtual ones among them, is zero. Only ever added to. item_id, lot_id and location_id '
  'repeat what the line says, whose foreign keys hold for them too: keys of their own would lock the same few items and '
  'places at every posting.';
comment on column wms.stock_ledger.id is 'In the order of posting, for each balance strictly';
comment on column wms.stock_ledger.delta is 'Change of the quantity at the place, in the unit that the item is kept in';
comment on column wms.stock_ledger.occurred_at is 'When the goods moved: the posting, or the end of an earlier posting_date';
comment on column wms.stock_ledger.posted_at is 'When it was entered (the moment that id holds)';

create index stock_ledger_line_idx on wms.stock_ledger (org_id, document_id, line_id);
create index stock_ledger_item_idx on wms.stock_ledger (org_id, item_id, id);
create index stock_ledger_location_idx on wms.stock_ledger (org_id, location_id, id);
create index stock_ledger_lot_idx on wms.stock_ledger (org_id, lot_id, id) where lot_id is not null;

-- No index holds quantity or reserved: so each posting updates its rows in place (HOT), in the room left on each page.
create table wms.balance (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid not null,
  lot_id uuid,
  location_id uuid not null,
  warehouse_id uuid not null,
  quantity numeric(18, 6) not null default 0,
  reserved numeric(18, 6) not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint balance_pkey primary key (org_id, id),
  constraint one_balance_per_item_place_and_lot unique nulls not distinct (org_id, item_id, location_id, lot_id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint location_exists foreign key (org_id, location_id) references core.location (org_id, id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint inventory_quantity_not_negative check (quantity >= 0),
  constraint reserved_within_quantity check (reserved between 0 and quantity)
) with (fillfactor = 60);

comment on table wms.balance is
  'How much of an item (and lot) lies at a place: a projection of the ledger, for real places only. A row stays when '
  'nothing is left.';
comment on column wms.balance.warehouse_id is 'The warehouse that the place lies in, which its stock is listed by';
comment on column wms.balance.quantity is 'What lies there, in the unit that the item is kept in';
comment on column wms.balance.reserved is 'How much of it is promised to documents';

create index balance_warehouse_idx on wms.balance (org_id, warehouse_id, id);
create index balance_warehouse_item_idx on wms.balance (org_id, warehouse_id, item_id, id);
create index balance_location_item_idx on wms.balance (org_id, location_id, item_id, id);
create index balance_lot_idx on wms.balance (org_id, item_id, lot_id, id) where lot_id is not null;

alter table wms.stock_ledger enable row level security;
alter table wms.stock_ledger force row level security;
alter table wms.balance enable row level security;
alter table wms.balance force row level security;

insert into ops.partition_policy (table_name, period, periods_ahead)
values ('wms.stock_ledger', 'quarter', 2);
