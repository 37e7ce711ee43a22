-- domain: wms
-- why: put-away rules, adjustments that wait for a second person, stock counts, and handling units with their contents
-- locks: wms.balance, access exclusive for an instant (a column with a default); what new tables refer to, share row exclusive
-- breaking: no

-- Quantities that are packed in handling units: a part of the balance, like what is reserved. Kept in no index, so that a
-- posting still updates its rows in place.
alter table wms.balance add column packed numeric(18, 6) not null default 0;
alter table wms.balance
add constraint packed_within_quantity check (packed between 0 and quantity) not valid;

comment on column wms.balance.packed is 'How much of it is in handling units, which move as a whole';

create table wms.put_away_rule (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  warehouse_id uuid,
  item_id uuid,
  item_class text,
  zone text not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint put_away_rule_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint one_zone_per_warehouse_and_goods unique nulls not distinct (org_id, warehouse_id, item_id, item_class, zone),
  constraint class_known check (
    item_class in ('GOODS', 'YARN', 'FABRIC', 'TRIM', 'ACCESSORY', 'PACKING', 'FINISHED_GOODS', 'COMMODITY')
  ),
  constraint item_or_class check (item_id is null or item_class is null),
  constraint zone_not_blank check (btrim(zone) <> '')
);

comment on table wms.put_away_rule is
  'In which zone goods are put away first: those of an item, else of a class, else all; in one warehouse or in every one.';
comment on column wms.put_away_rule.warehouse_id is 'Warehouse that it holds in; null: in every one';
comment on column wms.put_away_rule.item_id is 'Item that it holds for; null: for all, or all of item_class';
comment on column wms.put_away_rule.item_class is 'Class of items that it holds for';
comment on column wms.put_away_rule.zone is 'Zone of positions that the goods belong in';

create index put_away_rule_item_idx on wms.put_away_rule (org_id, item_id);

create table wms.adjustment (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  status text not null,
  warehouse_id uuid not null,
  position_id uuid not null,
  item_id uuid not null,
  lot_id uuid,
  quantity_before numeric(18, 6) not null,
  new_quantity numeric(18, 6) not null,
  difference numeric generated always as (new_quantity - quantity_before) virtual,
  amount numeric(24, 4),
  currency text not null,
  reason text not null,
  status_reason text,
  document_id uuid,
  decided_at timestamptz,
  decided_by uuid,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint adjustment_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint position_exists foreign key (org_id, position_id) references core.location (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint document_exists foreign key (org_id, document_id) references wms.document (org_id, id),
  constraint currency_exists foreign key (currency) references core.currency (code),
  constraint adjustment_status_known check (status in ('PENDING', 'POSTED', 'REJECTED', 'WITHDRAWN')),
  constraint new_quantity_not_negative check (new_quantity >= 0),
  constraint adjustment_changes_something check (new_quantity <> quantity_before),
  constraint reason_not_blank check (btrim(reason) <> ''),
  constraint posted_adjustments_name_their_document check ((status = 'POSTED') = (document_id is not null)),
  constraint pending_adjustments_are_undecided check ((status = 'PENDING') = (decided_at is null))
);

comment on table wms.adjustment is
  'A correction of what lies at a place, found by somebody outside a count. A small one is posted at once, a large one '
  'waits for a second person. What is posted is the difference that was found: what moved meanwhile stays moved.';
comment on column wms.adjustment.status is 'PENDING, POSTED, REJECTED or WITHDRAWN';
comment on column wms.adjustment.quantity_before is 'What the balance said when the difference was found';
comment on column wms.adjustment.new_quantity is 'What lay there instead';
comment on column wms.adjustment.difference is 'new_quantity less quantity_before: what is posted';
comment on column wms.adjustment.amount is 'Value of the difference at the list price, always positive; null: not known';
comment on column wms.adjustment.currency is 'Currency of amount: that of the organisation';
comment on column wms.adjustment.reason is 'Why stock differs, in the words of who found it';
comment on column wms.adjustment.status_reason is 'Why it was rejected or withdrawn';
comment on column wms.adjustment.document_id is 'ADJUSTMENT that posted it';
comment on column wms.adjustment.decided_at is 'When it was posted, rejected or withdrawn';
comment on column wms.adjustment.decided_by is 'Who did that';

create index adjustment_status_idx on wms.adjustment (org_id, status, id);
create index adjustment_warehouse_idx on wms.adjustment (org_id, warehouse_id, id);
create index adjustment_item_idx on wms.adjustment (org_id, item_id, lot_id, id);
create index adjustment_position_idx on wms.adjustment (org_id, position_id, id);
create index adjustment_document_idx on wms.adjustment (org_id, document_id);
create index adjustment_currency_idx on wms.adjustment (currency);
create unique index one_pending_adjustment_per_balance
on wms.adjustment (org_id, item_id, position_id, lot_id) nulls not distinct
where status = 'PENDING';

create table wms.count_session (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  status text not null default 'PLANNED',
  number text,
  warehouse_id uuid not null,
  position_id uuid,
  zone text,
  item_id uuid,
  item_class text,
  is_blind boolean not null default true,
  planned_on date,
  count_index integer not null default 1,
  line_count integer not null default 0,
  difference_count integer,
  counters uuid[] not null default '{}',
  document_id uuid,
  note text,
  status_reason text,
  started_at timestamptz,
  started_by uuid,
  counted_at timestamptz,
  counted_by uuid,
  posted_at timestamptz,
  posted_by uuid,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint count_session_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint position_exists foreign key (org_id, position_id) references core.location (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references wms.document (org_id, id),
  constraint count_status_known check (
    status in ('PLANNED', 'COUNTING', 'COUNTED', 'INVESTIGATING', 'POSTED', 'CANCELLED')
  ),
  constraint class_known check (
    item_class in ('GOODS', 'YARN', 'FABRIC', 'TRIM', 'ACCESSORY', 'PACKING', 'FINISHED_GOODS', 'COMMODITY')
  ),
  constraint count_index_positive check (count_index > 0),
  constraint line_count_not_negative check (line_count >= 0),
  constraint number_from_the_start_on check (
    (number is null) = (started_at is null)
    and (status <> 'PLANNED' or started_at is null)
    and (status in ('PLANNED', 'CANCELLED') or started_at is not null)
  ),
  constraint posted_counts_say_when check ((status = 'POSTED') = (posted_at is not null))
);

comment on table wms.count_session is
  'A stock count: what lies in a warehouse, or in the part of it that its scope names, is counted while goods go on moving.';
comment on column wms.count_session.status is 'PLANNED, COUNTING, COUNTED, INVESTIGATING, POSTED or CANCELLED';
comment on column wms.count_session.number is 'Given when counting starts, without gaps';
comment on column wms.count_session.position_id is 'Scope: this position and all below it; null: all';
comment on column wms.count_session.zone is 'Scope: positions of this zone; null: all';
comment on column wms.count_session.item_id is 'Scope: this item; null: all';
comment on column wms.count_session.item_class is 'Scope: items of this class; null: all';
comment on column wms.count_session.is_blind is 'Whether those who count may not see what is expected until they are done';
comment on column wms.count_session.planned_on is 'Day that it is planned for';
comment on column wms.count_session.count_index is 'How often it has been counted: 1, and one more with each recount';
comment on column wms.count_session.line_count is 'How many lines it has';
comment on column wms.count_session.difference_count is 'How many lines differed when it was last counted';
comment on column wms.count_session.counters is 'Everybody who counted, as of when it was last finished: none of them posts';
comment on column wms.count_session.document_id is 'COUNT document that posted the differences; null: there were none';

create index count_session_status_idx on wms.count_session (org_id, status, id);
create index count_session_warehouse_idx on wms.count_session (org_id, warehouse_id, id);
create index count_session_position_idx on wms.count_session (org_id, position_id) where position_id is not null;
create index count_session_item_idx on wms.count_session (org_id, item_id) where item_id is not null;
create index count_session_document_idx on wms.count_session (org_id, document_id) where document_id is not null;

create table wms.count_line (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  count_id uuid not null,
  position_id uuid not null,
  item_id uuid not null,
  lot_id uuid,
  is_found boolean not null default false,
  is_open boolean not null default true,
  count_index integer not null default 1,
  counted numeric(18, 6),
  counted_at timestamptz,
  counted_by uuid,
  counters uuid[] not null default '{}',
  reason text,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  version integer not null default 1,
  constraint count_line_pkey primary key (org_id, id),
  constraint count_exists foreign key (org_id, count_id) references wms.count_session (org_id, id),
  constraint position_exists foreign key (org_id, position_id) references core.location (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint one_line_per_balance unique nulls not distinct (org_id, count_id, position_id, item_id, lot_id),
  constraint counted_not_negative check (counted >= 0),
  constraint counted_lines_say_who check ((counted is null) = (counted_at is null)),
  constraint count_index_positive check (count_index > 0)
);

comment on table wms.count_line is
  'What is counted: an item (and lot) at a position. What was expected is kept apart (wms.count_expectation), because who '
  'counts blind may not see it.';
comment on column wms.count_line.is_found is 'Whether it was not on the list: found while counting';
comment on column wms.count_line.is_open is 'Whether its count goes on; a balance is in one open count at most';
comment on column wms.count_line.count_index is 'Which time it is counted';
comment on column wms.count_line.counted is 'What was counted, in the unit that the item is kept in; null: not yet';
comment on column wms.count_line.counters is 'Everybody who counted it, in earlier rounds too';
comment on column wms.count_line.reason is 'Why it differs, if somebody knows';

create unique index one_open_count_per_balance
on wms.count_line (org_id, item_id, position_id, lot_id) nulls not distinct
where is_open;
create index count_line_list_idx on wms.count_line (org_id, count_id, id);
create index count_line_position_idx on wms.count_line (org_id, position_id, id);
create index count_line_item_idx on wms.count_line (org_id, item_id, lot_id, id);

create table wms.count_expectation (
  org_id uuid not null default core.org_id(),
  line_id uuid not null,
  count_id uuid not null,
  expected numeric(18, 6) not null,
  start_mark uuid not null,
  expected_at_count numeric(18, 6),
  count_mark uuid,
  constraint count_expectation_pkey primary key (org_id, line_id),
  constraint line_exists foreign key (org_id, line_id) references wms.count_line (org_id, id),
  constraint count_exists foreign key (org_id, count_id) references wms.count_session (org_id, id),
  constraint expected_when_counted check ((expected_at_count is null) = (count_mark is null)),
  constraint counted_after_the_start check (count_mark > start_mark)
);

comment on table wms.count_expectation is
  'What a line of a count is expected to be: frozen at the start, and again at the moment of counting. Between the two lies '
  'what the ledger moved, from start_mark to count_mark in the order of its ids.';
comment on column wms.count_expectation.expected is 'What the balance said when the count started';
comment on column wms.count_expectation.start_mark is 'Ledger rows of the balance with lower ids are in expected';
comment on column wms.count_expectation.expected_at_count is 'What the balance said when the line was counted';
comment on column wms.count_expectation.count_mark is 'Ledger rows of the balance with lower ids are in expected_at_count';

create index count_expectation_count_idx on wms.count_expectation (org_id, count_id);

create table wms.handling_unit (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  sscc text not null,
  kind text not null,
  status text not null default 'OPEN',
  parent_id uuid,
  depth integer not null default 1,
  location_id uuid not null,
  warehouse_id uuid not null,
  document_id uuid,
  note text,
  status_reason text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint handling_unit_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint parent_exists foreign key (org_id, parent_id) references wms.handling_unit (org_id, id),
  constraint location_exists foreign key (org_id, location_id) references core.location (org_id, id),
  constraint warehouse_exists foreign key (org_id, warehouse_id) references core.location (org_id, id),
  constraint document_exists foreign key (org_id, document_id) references wms.document (org_id, id),
  constraint handling_unit_sscc_unique unique (org_id, sscc),
  constraint sscc_has_18_digits check (sscc ~ '^[0-9]{18}$'),
  -- GS1: from the right, the digits before the last count three times and once by turns.
  constraint sscc_ends_with_its_check_digit check (
    (
      3 * (
        substr(sscc, 1, 1)::integer + substr(sscc, 3, 1)::integer + substr(sscc, 5, 1)::integer
        + substr(sscc, 7, 1)::integer + substr(sscc, 9, 1)::integer + substr(sscc, 11, 1)::integer
        + substr(sscc, 13, 1)::integer + substr(sscc, 15, 1)::integer + substr(sscc, 17, 1)::integer
      )
      + substr(sscc, 2, 1)::integer + substr(sscc, 4, 1)::integer + substr(sscc, 6, 1)::integer
      + substr(sscc, 8, 1)::integer + substr(sscc, 10, 1)::integer + substr(sscc, 12, 1)::integer
      + substr(sscc, 14, 1)::integer + substr(sscc, 16, 1)::integer + substr(sscc, 18, 1)::integer
    ) % 10 = 0
  ),
  constraint handling_unit_kind_known check (kind in ('PALLET', 'CARTON', 'CRATE', 'CAGE', 'DRUM', 'ROLL', 'BAG', 'TOTE')),
  constraint handling_unit_status_known check (status in ('OPEN', 'SHIPPED', 'DISSOLVED')),
  constraint depth_at_most_three check (depth between 1 and 3),
  constraint only_the_outermost_has_no_parent check ((parent_id is null) = (depth = 1)),
  constraint not_its_own_parent check (parent_id <> id),
  constraint shipped_units_name_their_document check ((status = 'SHIPPED') = (document_id is not null))
);

comment on table wms.handling_unit is
  'A pallet, carton or the like with a number of its own (SSCC) that is moved with all that is in it. Units lie in units, '
  'three deep at most.';
comment on column wms.handling_unit.sscc is 'Serial shipping container code of GS1: 18 digits, the last one a check digit';
comment on column wms.handling_unit.kind is 'PALLET, CARTON, CRATE, CAGE, DRUM, ROLL, BAG or TOTE';
comment on column wms.handling_unit.status is 'OPEN, SHIPPED or DISSOLVED';
comment on column wms.handling_unit.parent_id is 'Unit that it lies in; null: it stands by itself';
comment on column wms.handling_unit.depth is '1 for a unit that stands by itself, one more for each that it lies in';
comment on column wms.handling_unit.location_id is 'Position where it stands, or last stood; that of its parent if it has one';
comment on column wms.handling_unit.document_id is 'Document that shipped it';

create index handling_unit_parent_idx on wms.handling_unit (org_id, parent_id, id) where parent_id is not null;
create index handling_unit_location_idx on wms.handling_unit (org_id, location_id, id);
create index handling_unit_warehouse_idx on wms.handling_unit (org_id, warehouse_id, id);
create index handling_unit_status_idx on wms.handling_unit (org_id, status, id);
create index handling_unit_document_idx on wms.handling_unit (org_id, document_id) where document_id is not null;

create table wms.handling_unit_content (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  handling_unit_id uuid not null,
  item_id uuid not null,
  lot_id uuid,
  quantity numeric(18, 6) not null,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint handling_unit_content_pkey primary key (org_id, id),
  constraint handling_unit_exists foreign key (org_id, handling_unit_id) references wms.handling_unit (org_id, id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_of_the_item_exists foreign key (org_id, item_id, lot_id) references wms.lot (org_id, item_id, id),
  constraint one_content_per_item_and_lot unique nulls not distinct (org_id, handling_unit_id, item_id, lot_id),
  constraint quantity_positive check (quantity > 0)
);

comment on table wms.handling_unit_content is
  'What is directly in a handling unit. That of a unit that was shipped stays, to say what was in it.';
comment on column wms.handling_unit_content.quantity is 'How much, in the unit that the item is kept in';

create index handling_unit_content_item_idx on wms.handling_unit_content (org_id, item_id, lot_id, id);

alter table wms.put_away_rule enable row level security;
alter table wms.put_away_rule force row level security;
alter table wms.adjustment enable row level security;
alter table wms.adjustment force row level security;
alter table wms.count_session enable row level security;
alter table wms.count_session force row level security;
alter table wms.count_line enable row level security;
alter table wms.count_line force row level security;
alter table wms.count_expectation enable row level security;
alter table wms.count_expectation force row level security;
alter table wms.handling_unit enable row level security;
alter table wms.handling_unit force row level security;
alter table wms.handling_unit_content enable row level security;
alter table wms.handling_unit_content force row level security;

create type wms.place as (
  id uuid,
  warehouse_id uuid,
  kind text,
  code text
);

comment on type wms.place is 'A position that something is done at, as functions hand it to each other';
