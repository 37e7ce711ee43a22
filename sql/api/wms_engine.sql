-- What stands around documents in the API: reservations, reversals, closed days.

create view api.wms_reservations
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.document_id,
  r.line_id,
  r.item_id,
  r.lot_id,
  r.location_id,
  r.warehouse_id,
  r.quantity,
  r.status,
  r.ended_because,
  r.expires_at,
  r.reserved_at,
  r.reserved_by,
  r.ended_at,
  r.ended_by,
  d.document_type,
  d.status as document_status,
  d.reference as document_reference,
  d.partner_id,
  i.sku,
  i.unit_code,
  p.code as location_code,
  t.lot_no
from wms.reservation as r
inner join wms.document as d
  on d.org_id = r.org_id
  and d.id = r.document_id
inner join core.item as i
  on i.org_id = r.org_id
  and i.id = r.item_id
inner join core.location as p
  on p.org_id = r.org_id
  and p.id = r.location_id
left join wms.lot as t
  on t.org_id = r.org_id
  and t.id = r.lot_id;

comment on view api.wms_reservations is
  'Reservations: which document holds the stock
status=eq.HELD shows what is promised now; filter by item_id, location_id, document_id. Made by wms_document_reserve, ended by
posting, picking, wms_reservation_release and in time.';
comment on column api.wms_reservations.org_id is 'Organisation';
comment on column api.wms_reservations.id is 'Identifier, in order of creation';
comment on column api.wms_reservations.document_id is 'Document that holds it';
comment on column api.wms_reservations.line_id is 'Line of the document';
comment on column api.wms_reservations.item_id is 'Item';
comment on column api.wms_reservations.lot_id is 'Lot or serial number';
comment on column api.wms_reservations.location_id is 'Position';
comment on column api.wms_reservations.warehouse_id is 'Warehouse';
comment on column api.wms_reservations.quantity is 'How much, in unit_code';
comment on column api.wms_reservations.status is 'HELD, CONSUMED or RELEASED';
comment on column api.wms_reservations.ended_because is 'Why it was released: REQUESTED, EXPIRED, LOT, CANCELLED';
comment on column api.wms_reservations.expires_at is 'When it is released; null: never';
comment on column api.wms_reservations.reserved_at is 'When it was made';
comment on column api.wms_reservations.reserved_by is 'User who made it';
comment on column api.wms_reservations.ended_at is 'When it ended';
comment on column api.wms_reservations.ended_by is 'User who ended it; null: a job';
comment on column api.wms_reservations.document_type is 'Type of the document';
comment on column api.wms_reservations.document_status is 'Status of the document';
comment on column api.wms_reservations.document_reference is 'What the partner calls the document';
comment on column api.wms_reservations.partner_id is 'Partner of the document';
comment on column api.wms_reservations.sku is 'Code of the item';
comment on column api.wms_reservations.unit_code is 'Unit that the item is kept in';
comment on column api.wms_reservations.location_code is 'Short name of the position';
comment on column api.wms_reservations.lot_no is 'Number of the lot';

grant select on api.wms_reservations to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.wms_reservations
for each row
execute function wms.tg_view__refuse();

create view api.wms_reversals
with (security_invoker = true)
as
select
  r.org_id,
  r.document_id,
  r.reversal_id,
  r.created_at,
  r.created_by
from wms.reversal as r;

comment on view api.wms_reversals is
  'Which document was reversed by which
Made by wms_document_reverse.';
comment on column api.wms_reversals.org_id is 'Organisation';
comment on column api.wms_reversals.document_id is 'Document that was reversed';
comment on column api.wms_reversals.reversal_id is 'Its mirror';
comment on column api.wms_reversals.created_at is 'When';
comment on column api.wms_reversals.created_by is 'User who reversed it';

grant select on api.wms_reversals to member, superadmin, migrator;

create view api.wms_periods
with (security_invoker = true)
as
select
  p.org_id,
  p.id,
  p.warehouse_id,
  p.last_closed_on,
  p.reason,
  p.version,
  p.created_at,
  p.created_by,
  p.updated_at,
  p.updated_by
from wms.stock_period as p;

comment on view api.wms_periods is
  'Through which day stock is closed, for a warehouse or for all of them
Changed by wms_period_close and wms_period_reopen.';
comment on column api.wms_periods.org_id is 'Organisation';
comment on column api.wms_periods.id is 'Identifier';
comment on column api.wms_periods.warehouse_id is 'Warehouse; null: all of them';
comment on column api.wms_periods.last_closed_on is 'Last closed day';
comment on column api.wms_periods.reason is 'Why days were opened again';
comment on column api.wms_periods.version is 'Grows with each change';
comment on column api.wms_periods.created_at is 'When it was first closed';
comment on column api.wms_periods.created_by is 'User who closed it first';
comment on column api.wms_periods.updated_at is 'When it was last changed';
comment on column api.wms_periods.updated_by is 'User who last changed it';

grant select on api.wms_periods to member, superadmin, migrator;
