-- domain: wms
-- why: returns, adjustments, counts and moves are documents; what is reserved, picked, packed, reversed; closed periods
-- locks: wms.document, wms.document_line, wms.stock_ledger and core.transition, access exclusive for an instant each
-- breaking: no

-- A step whose right the calling function has checked, such as what wms.post_at_once does, names no permission.
-- lint: allow squawk.ban-drop-not-null: every step that is there keeps its permission
alter table core.transition alter column permission drop not null;

alter table wms.document add column reverses uuid;
alter table wms.document_line add column booked_value numeric(18, 4);
alter table wms.stock_ledger add column value_delta numeric(18, 4) not null default 0;
alter table wms.stock_ledger add column warehouse_id uuid;

comment on table wms.document is
  'A warehouse document: goods that come in (IMPORT, RETURN), go out (EXPORT, SALE), change the warehouse (TRANSFER) or '
  'the place in one (MOVE), turn out to be more or less than was thought (ADJUSTMENT, COUNT). A draft moves nothing; '
  'posting moves all its lines at once, and from then on it cannot change; another document, its mirror, reverses it.';
comment on column wms.document.document_type is
  'IMPORT, EXPORT, SALE, TRANSFER, RETURN, ADJUSTMENT, COUNT or MOVE; the last three have one warehouse, at both ends';
comment on column wms.document.status is
  'DRAFT, RESERVED, PICKING, PACKED, POSTED, REVERSED or CANCELLED; POSTING: made and posted in one transaction, seen by nobody';
comment on column wms.document.status_reason is 'Why it was cancelled, reversed or made';
comment on column wms.document.reverses is
  'The posted document that this one is the mirror of: the same lines with their ends exchanged, its warehouses as well';
comment on column wms.document_line.booked_value is
  'Value of the goods, where it does not follow from price or cost: in a mirror what the reversed line had booked';
comment on column wms.stock_ledger.value_delta is
  'Change of the value at the place, in the base currency; zero for moves inside a warehouse. Sums to zero like delta.';
comment on column wms.stock_ledger.warehouse_id is
  'Warehouse that the place lay in then; null for virtual places, and in rows older than this column';

-- What was allowed remains so; the rules are validated in a file of their own, without a lock that readers feel.
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint document_type_known;
alter table wms.document add constraint document_type_known check (
  document_type in ('IMPORT', 'EXPORT', 'TRANSFER', 'SALE', 'RETURN', 'ADJUSTMENT', 'COUNT', 'MOVE')
) not valid;
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint document_status_known;
alter table wms.document add constraint document_status_known check (
  status in ('DRAFT', 'RESERVED', 'PICKING', 'PACKED', 'POSTING', 'POSTED', 'REVERSED', 'CANCELLED')
) not valid;
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint import_goes_into_a_warehouse;
alter table wms.document add constraint import_goes_into_a_warehouse check (
  document_type not in ('IMPORT', 'RETURN')
  or (
    (reverses is null) = (from_location_id is null)
    and (reverses is null) = (to_location_id is not null)
  )
) not valid;
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint export_leaves_a_warehouse;
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint sale_leaves_a_warehouse;
alter table wms.document add constraint export_leaves_a_warehouse check (
  document_type not in ('EXPORT', 'SALE')
  or (
    (reverses is null) = (from_location_id is not null)
    and (reverses is null) = (to_location_id is null)
  )
) not valid;
alter table wms.document add constraint one_warehouse_for_what_stays_inside check (
  document_type not in ('ADJUSTMENT', 'COUNT', 'MOVE')
  or (from_location_id is not null and from_location_id = to_location_id)
) not valid;
-- lint: allow squawk.ban-drop-constraint: a wider rule takes its place in the same transaction
alter table wms.document drop constraint number_from_posting_on;
alter table wms.document add constraint number_from_posting_on check (
  (status in ('POSTED', 'REVERSED')) = (number is not null)
) not valid;

-- Which document was reversed by which: once, whatever a function forgets; the partitions of wms.document cannot say so.
-- Its keys hold for wms.document.reverses, which therefore has none of its own to be built and checked on a live table.
create table wms.reversal (
  org_id uuid not null default core.org_id(),
  document_id uuid not null,
  reversal_id uuid not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint reversal_pkey primary key (org_id, document_id),
  constraint document_exists foreign key (org_id, document_id) references wms.document (org_id, id),
  constraint reversing_document_exists foreign key (org_id, reversal_id) references wms.document (org_id, id),
  constraint mirror_of_one_document unique (org_id, reversal_id),
  constraint no_mirror_of_itself check (document_id <> reversal_id)
);

comment on table wms.reversal is 'Which document reverses which: a document is reversed once, by one mirror';

-- Partitioned by the document, like its lines: posting looks into one partition.
create table wms.reservation (
  org_id uuid not null default core.org_id(),
  document_id uuid not null,
  id uuid not null default uuidv7(),
  line_id uuid not null,
  item_id uuid not null,
  lot_id uuid,
  location_id uuid not null,
  warehouse_id uuid not null,
  quantity numeric(18, 6) not null,
  status text not null default 'HELD',
  ended_because text,
  expires_at timestamptz,
  ended_at timestamptz,
  ended_by uuid,
  reserved_at timestamptz not null default now(),
  reserved_by uuid default core.user_id(),
  constraint reservation_pkey primary key (org_id, document_id, id),
  constraint line_exists foreign key (org_id, document_id, line_id)
  references wms.document_line (org_id, document_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint location_exists foreign key (org_id, location_id) references core.location (org_id, id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint reservation_status_known check (status in ('HELD', 'CONSUMED', 'RELEASED')),
  constraint reserved_quantity_positive check (quantity > 0),
  constraint ended_reservations_say_when check ((status = 'HELD') = (ended_at is null)),
  constraint released_for_a_known_reason check (
    (status = 'RELEASED') = (ended_because is not null)
    and ended_because in ('REQUESTED', 'EXPIRED', 'LOT', 'CANCELLED', 'POSTED', 'PICKED')
  )
) partition by range (document_id);

comment on table wms.reservation is
  'Stock that is promised to a line of a document: so much of an item (and lot) at a place. What is HELD adds up to the '
  'reserved quantity of the balance, and is taken out only by posting that document or by picking for it.';
comment on column wms.reservation.status is 'HELD, CONSUMED (picked or posted) or RELEASED';
comment on column wms.reservation.ended_because is
  'Why it was released: REQUESTED, EXPIRED, LOT (the lot may not move), CANCELLED (the document), POSTED (it took less)';
comment on column wms.reservation.expires_at is 'When a job releases it; null: never';

create index reservation_line_idx on wms.reservation (org_id, document_id, line_id);
create index reservation_id_idx on wms.reservation (org_id, id);
create index reservation_item_idx on wms.reservation (org_id, item_id, lot_id, id);
create index reservation_location_idx on wms.reservation (org_id, location_id, id);
create index reservation_warehouse_idx on wms.reservation (org_id, warehouse_id, id);
create index reservation_held_idx on wms.reservation (org_id, item_id, location_id, lot_id) where status = 'HELD';
create index reservation_expires_idx on wms.reservation (org_id, expires_at, id) where status = 'HELD';

create table wms.stock_period (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  warehouse_id uuid,
  last_closed_on date not null,
  reason text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint stock_period_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint one_period_per_warehouse unique nulls not distinct (org_id, warehouse_id)
);

comment on table wms.stock_period is
  'Through which day the stock of a warehouse, or of all of them, is closed: nothing is posted into those days';
comment on column wms.stock_period.warehouse_id is 'Null: every warehouse';
comment on column wms.stock_period.last_closed_on is 'Last closed day';
comment on column wms.stock_period.reason is 'Why days that had been closed are open again';

-- No index holds quantity or value: each posting updates its rows in place (HOT), in the room left on each page.
create table wms.stock_value (
  org_id uuid not null default core.org_id(),
  item_id uuid not null,
  warehouse_id uuid not null,
  quantity numeric(18, 6) not null,
  value numeric(18, 4) not null default 0,
  unit_cost numeric not null default 0,
  method text not null,
  updated_at timestamptz not null default now(),
  constraint stock_value_pkey primary key (org_id, item_id, warehouse_id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint valued_quantity_not_negative check (quantity >= 0),
  constraint value_not_negative check (value >= 0),
  constraint value_needs_quantity check (quantity > 0 or value = 0),
  constraint valuation_method_known check (method in ('AVERAGE', 'FIFO'))
) with (fillfactor = 60);

comment on table wms.stock_value is
  'What the stock of an item in a warehouse is worth, in the base currency: the sum of the values of the ledger';
comment on column wms.stock_value.quantity is 'How much lies there, over all places and lots';
comment on column wms.stock_value.unit_cost is
  'Cost of one unit when something lay there last: the price of what comes without one';
comment on column wms.stock_value.method is 'How the last posting valued what left: AVERAGE or FIFO';

create index stock_value_warehouse_idx on wms.stock_value (org_id, warehouse_id, item_id);

create table wms.value_layer (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid not null,
  warehouse_id uuid not null,
  document_id uuid,
  quantity numeric(18, 6) not null,
  value numeric(18, 4) not null,
  constraint value_layer_pkey primary key (org_id, id),
  constraint stock_value_exists foreign key (org_id, item_id, warehouse_id)
  references wms.stock_value (org_id, item_id, warehouse_id),
  constraint layer_quantity_positive check (quantity > 0),
  constraint layer_value_not_negative check (value >= 0)
);

comment on table wms.value_layer is
  'First in, first out: what is left of each receipt, oldest first. Only where the organisation values its stock by FIFO; '
  'what is used up is gone, the ledger has its history.';
comment on column wms.value_layer.document_id is 'What brought it; null: what lay there when FIFO began';
comment on column wms.value_layer.quantity is 'What is left of it';
comment on column wms.value_layer.value is 'What that is worth';

create index value_layer_stock_idx on wms.value_layer (org_id, item_id, warehouse_id, id);

alter table wms.stock_value enable row level security;
alter table wms.stock_value force row level security;
alter table wms.value_layer enable row level security;
alter table wms.value_layer force row level security;
alter table wms.reversal enable row level security;
alter table wms.reversal force row level security;
alter table wms.reservation enable row level security;
alter table wms.reservation force row level security;
alter table wms.stock_period enable row level security;
alter table wms.stock_period force row level security;

-- The worker looks for reservations that have expired.
grant usage on schema wms to worker;

insert into ops.partition_policy (table_name, period, periods_ahead)
values ('wms.reservation', 'quarter', 2);

-- What posting works on: one part of a line that goes from one place to another.
create type wms.movement as (
  document_id uuid,
  document_no integer,
  line_no integer,
  line_id uuid,
  item_id uuid,
  lot_id uuid,
  from_location_id uuid,
  to_location_id uuid,
  from_warehouse_id uuid,
  to_warehouse_id uuid,
  quantity numeric,
  line_value numeric,
  tracking text,
  needs_approved boolean,
  reservation_id uuid,
  reservation_document_id uuid,
  is_hold_carried boolean,
  occurred_at timestamptz,
  reverses uuid
);

create type wms.line_part as (
  line_id uuid,
  id uuid,
  document_id uuid,
  lot_id uuid,
  location_id uuid,
  quantity numeric,
  is_own boolean
);

comment on type wms.line_part is
  'A reservation that a line is taken out of; without an id: how much of the line is reserved in all';

comment on type wms.movement is 'One part of a line that goes from one place to another; the places outside have no warehouse';
