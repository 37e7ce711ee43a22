-- domain: wms
-- why: warehouse documents and their lines, the only way in which stock moves
-- locks: none (new objects)
-- breaking: no

-- What is a rule of one type stands in a constraint of its own: a new type adds one and extends document_type_known.
create table wms.document (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  document_type text not null,
  status text not null default 'DRAFT',
  number text,
  from_location_id uuid,
  to_location_id uuid,
  partner_id uuid,
  reference text,
  posting_date date,
  currency text not null,
  line_count integer not null default 0,
  total numeric(24, 4) not null default 0,
  status_reason text,
  posted_at timestamptz,
  posted_by uuid,
  cancelled_at timestamptz,
  cancelled_by uuid,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint document_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint from_warehouse_exists foreign key (org_id, from_location_id) references core.location (org_id, id),
  constraint to_warehouse_exists foreign key (org_id, to_location_id) references core.location (org_id, id),
  constraint partner_exists foreign key (org_id, partner_id) references core.partner (org_id, id),
  constraint currency_exists foreign key (currency) references core.currency (code),
  constraint document_type_known check (document_type in ('IMPORT', 'EXPORT', 'TRANSFER', 'SALE')),
  constraint document_status_known check (status in ('DRAFT', 'POSTED', 'CANCELLED')),
  constraint import_goes_into_a_warehouse check (
    document_type <> 'IMPORT' or (from_location_id is null and to_location_id is not null)
  ),
  constraint export_leaves_a_warehouse check (
    document_type <> 'EXPORT' or (from_location_id is not null and to_location_id is null)
  ),
  constraint sale_leaves_a_warehouse check (
    document_type <> 'SALE' or (from_location_id is not null and to_location_id is null)
  ),
  constraint transfer_joins_two_warehouses check (
    document_type <> 'TRANSFER'
    or (from_location_id is not null and to_location_id is not null and from_location_id <> to_location_id)
  ),
  constraint number_from_posting_on check ((status in ('DRAFT', 'CANCELLED')) = (number is null)),
  constraint posted_documents_say_when check (
    (number is null) = (posted_at is null) and (posted_at is null or posting_date is not null)
  ),
  constraint cancelled_documents_say_when check ((status = 'CANCELLED') = (cancelled_at is not null)),
  constraint posted_documents_have_lines check (number is null or line_count > 0),
  constraint line_count_not_negative check (line_count >= 0),
  constraint total_not_negative check (total >= 0)
) partition by range (id);

comment on table wms.document is
  'A warehouse document: goods that come in (IMPORT), go out (EXPORT, SALE) or change the warehouse (TRANSFER). '
  'A draft moves nothing; posting moves all its lines at once, and from then on it cannot change.';
comment on column wms.document.document_type is 'IMPORT, EXPORT, TRANSFER or SALE';
comment on column wms.document.status is 'DRAFT, POSTED or CANCELLED';
comment on column wms.document.number is 'Given when it is posted, without gaps; unique in core.number_register';
comment on column wms.document.from_location_id is 'Warehouse that the goods leave';
comment on column wms.document.to_location_id is 'Warehouse that the goods reach';
comment on column wms.document.partner_id is 'Supplier or customer';
comment on column wms.document.reference is 'What the partner calls it: delivery note, order, letter of credit';
comment on column wms.document.posting_date is 'Business day of the movement; today when it is left out until posting';
comment on column wms.document.currency is 'Currency of the prices of its lines';
comment on column wms.document.line_count is 'How many lines it has; kept by a trigger';
comment on column wms.document.total is 'Sum of the amounts of its lines, in currency; kept by a trigger';
comment on column wms.document.status_reason is 'Why it was cancelled';

create index document_status_idx on wms.document (org_id, status, id);
create index document_type_status_idx on wms.document (org_id, document_type, status, id);
create index document_created_by_idx on wms.document (org_id, created_by, id);
create index document_from_location_idx on wms.document (org_id, from_location_id, id);
create index document_to_location_idx on wms.document (org_id, to_location_id, id);
create index document_partner_idx on wms.document (org_id, partner_id, id);
create index document_currency_idx on wms.document (currency);

-- Partitioned by the document's id, not by its own: the lines of a document lie in one partition, which its id alone
-- tells, and what is unique in a document can be a constraint.
create table wms.document_line (
  org_id uuid not null default core.org_id(),
  document_id uuid not null,
  id uuid not null default uuidv7(),
  line_no integer not null,
  item_id uuid not null,
  lot_id uuid,
  from_position_id uuid not null,
  to_position_id uuid not null,
  quantity numeric(18, 6) not null,
  unit_code text not null,
  quantity_base numeric(18, 6) not null,
  unit_price numeric(18, 4),
  amount numeric generated always as (round(quantity * unit_price, 4)) virtual,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint document_line_pkey primary key (org_id, document_id, id),
  constraint document_exists foreign key (org_id, document_id) references wms.document (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint from_position_exists foreign key (org_id, from_position_id) references core.location (org_id, id),
  constraint to_position_exists foreign key (org_id, to_position_id) references core.location (org_id, id),
  constraint unit_exists foreign key (unit_code) references core.unit (code),
  constraint line_no_unique_in_a_document unique (org_id, document_id, line_no),
  constraint line_no_positive check (line_no > 0),
  constraint quantity_positive check (quantity > 0),
  constraint quantity_base_positive check (quantity_base > 0),
  constraint product_price_not_negative check (unit_price >= 0),
  constraint positions_differ check (from_position_id <> to_position_id)
) partition by range (document_id);

comment on table wms.document_line is
  'What a document moves: so much of an item, of a lot if it is tracked, from one place to another. Goods that come from '
  'or go to the outside have a virtual place at that end. Cannot change once the document is no draft.';
comment on column wms.document_line.line_no is 'Position in the document, from 1';
comment on column wms.document_line.from_position_id is 'Place that the goods leave';
comment on column wms.document_line.to_position_id is 'Place that the goods reach';
comment on column wms.document_line.quantity is 'How much, in unit_code';
comment on column wms.document_line.quantity_base is 'The same in the unit that the item is kept in: what stock changes by';
comment on column wms.document_line.unit_price is 'Price of one unit_code, in the currency of the document; null: not stated';
comment on column wms.document_line.amount is 'quantity times unit_price';

create index document_line_item_idx on wms.document_line (org_id, item_id, id);
create index document_line_lot_idx on wms.document_line (org_id, item_id, lot_id, id) where lot_id is not null;
create index document_line_from_position_idx on wms.document_line (org_id, from_position_id, id);
create index document_line_to_position_idx on wms.document_line (org_id, to_position_id, id);
create index document_line_unit_code_idx on wms.document_line (unit_code);

alter table wms.document enable row level security;
alter table wms.document force row level security;
alter table wms.document_line enable row level security;
alter table wms.document_line force row level security;

insert into ops.partition_policy (table_name, period, periods_ahead)
values
  ('wms.document', 'quarter', 2),
  ('wms.document_line', 'quarter', 2);
