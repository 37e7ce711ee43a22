-- domain: wms
-- why: lots (batches and serial numbers) by which stock of a tracked item is told apart
-- locks: none (new objects)
-- breaking: no

create table wms.lot (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  item_id uuid not null,
  lot_no text not null,
  expires_on date,
  status text not null default 'APPROVED',
  status_reason text,
  note text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint lot_pkey primary key (org_id, id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint item_exists foreign key (org_id, item_id) references core.item (org_id, id),
  constraint lot_no_unique_in_an_item unique (org_id, item_id, lot_no),
  constraint lot_id_unique_in_an_item unique (org_id, item_id, id),
  constraint lot_no_not_blank check (btrim(lot_no) <> ''),
  constraint lot_status_known check (
    status in ('APPROVED', 'ON_HOLD', 'QUARANTINED', 'RECALLED', 'EXPIRED', 'DAMAGED')
  )
);

comment on table wms.lot is
  'A lot, or one piece with its serial number, of an item that is tracked. Only an APPROVED lot moves.';
comment on column wms.lot.lot_no is 'Number of the lot, or serial number, as printed on the goods';
comment on column wms.lot.expires_on is 'Last day of use; null: does not expire';
comment on column wms.lot.status is 'APPROVED, ON_HOLD, QUARANTINED, RECALLED, EXPIRED or DAMAGED';
comment on column wms.lot.status_reason is 'Why it has its present status';

-- First expired, first out: the candidates of an item in order.
create index lot_first_expired_idx on wms.lot (org_id, item_id, expires_on, id) where status = 'APPROVED';
create index lot_status_idx on wms.lot (org_id, status, id);

alter table wms.lot enable row level security;
alter table wms.lot force row level security;
