-- The warehouse in the API: places, lots, documents, ledger and stock.

create view api.wms_warehouses
with (security_invoker = true)
as
select
  w.org_id,
  w.id,
  w.parent_id,
  w.code,
  w.name,
  w.unit_id,
  w.time_zone,
  w.is_active,
  w.version,
  w.created_at,
  w.updated_at
from core.location as w
where w.kind = 'WAREHOUSE';

comment on view api.wms_warehouses is
  'Warehouses
Made by wms_warehouse_create; changed through locations, moved by location_move.';
comment on column api.wms_warehouses.org_id is 'Organisation';
comment on column api.wms_warehouses.id is 'Identifier, in order of creation';
comment on column api.wms_warehouses.parent_id is 'Site that it belongs to';
comment on column api.wms_warehouses.code is 'Short name';
comment on column api.wms_warehouses.name is 'Name';
comment on column api.wms_warehouses.unit_id is 'Organisation unit that runs it';
comment on column api.wms_warehouses.time_zone is 'IANA time zone; null: that of the organisation';
comment on column api.wms_warehouses.is_active is 'Whether documents may use it';
comment on column api.wms_warehouses.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_warehouses.created_at is 'When it was made';
comment on column api.wms_warehouses.updated_at is 'When it was last changed';

-- Here because the table behind it is core's, and has policies there.
grant select on api.wms_warehouses to member, superadmin, migrator;

create view api.wms_positions
with (security_invoker = true)
as
select
  p.org_id,
  p.id,
  w.id as warehouse_id,
  p.parent_id,
  p.kind,
  p.code,
  p.name,
  p.zone,
  p.capacity,
  p.capacity_unit,
  p.is_active,
  p.version,
  p.created_at,
  p.updated_at
from core.location as p
inner join core.location as w
  on w.org_id = p.org_id
  and w.kind = 'WAREHOUSE'
  and w.path operator (public.@>) p.path
where p.kind in ('RECEIVING', 'STORAGE', 'PICKING', 'STAGING', 'SHIPPING', 'QUARANTINE', 'UNASSIGNED');

comment on view api.wms_positions is
  'Positions: the places in warehouses where stock lies
Made by wms_position_create, four with each warehouse; changed through locations, moved by location_move.';
comment on column api.wms_positions.org_id is 'Organisation';
comment on column api.wms_positions.id is 'Identifier, in order of creation';
comment on column api.wms_positions.warehouse_id is 'Warehouse that it lies in, at whatever depth';
comment on column api.wms_positions.parent_id is 'Warehouse or position that it is directly in';
comment on column api.wms_positions.kind is 'RECEIVING, STORAGE, PICKING, STAGING, SHIPPING, QUARANTINE or UNASSIGNED';
comment on column api.wms_positions.code is 'Short name, unique in parent_id';
comment on column api.wms_positions.name is 'Name';
comment on column api.wms_positions.zone is 'Grouping for put-away and picking';
comment on column api.wms_positions.capacity is 'How much it holds, in capacity_unit; null: no limit';
comment on column api.wms_positions.capacity_unit is 'Unit of capacity';
comment on column api.wms_positions.is_active is 'Whether documents may use it';
comment on column api.wms_positions.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_positions.created_at is 'When it was made';
comment on column api.wms_positions.updated_at is 'When it was last changed';

grant select on api.wms_positions to member, superadmin, migrator;

create trigger refuse
instead of insert or update or delete on api.wms_positions
for each row
execute function wms.tg_view__refuse();

create view api.wms_lots
with (security_invoker = true)
as
select
  t.org_id,
  t.id,
  t.item_id,
  t.lot_no,
  t.expires_on,
  t.status,
  t.status_reason,
  t.note,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from wms.lot as t;

comment on view api.wms_lots is
  'Lots and serial numbers of tracked items
A new one is APPROVED; wms_lot_set_status holds, releases and recalls it. Only an APPROVED lot moves.';
comment on column api.wms_lots.org_id is 'Organisation';
comment on column api.wms_lots.id is 'Identifier, in order of creation';
comment on column api.wms_lots.item_id is 'Item that it is a lot of';
comment on column api.wms_lots.lot_no is 'Number of the lot, or serial number, unique in an item';
comment on column api.wms_lots.expires_on is 'Last day of use; null: does not expire';
comment on column api.wms_lots.status is 'APPROVED, ON_HOLD, QUARANTINED, RECALLED, EXPIRED or DAMAGED';
comment on column api.wms_lots.status_reason is 'Why it has its present status';
comment on column api.wms_lots.note is 'Remark';
comment on column api.wms_lots.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_lots.created_at is 'When it was made';
comment on column api.wms_lots.created_by is 'User who made it';
comment on column api.wms_lots.updated_at is 'When it was last changed';
comment on column api.wms_lots.updated_by is 'User who last changed it';

create view api.wms_documents
with (security_invoker = true)
as
select
  d.org_id,
  d.id,
  d.document_type,
  d.status,
  d.number,
  d.from_location_id,
  d.to_location_id,
  d.partner_id,
  d.reference,
  d.posting_date,
  d.currency,
  d.line_count,
  d.total,
  d.status_reason,
  d.reverses,
  d.posted_at,
  d.posted_by,
  d.cancelled_at,
  d.cancelled_by,
  d.version,
  d.created_at,
  d.created_by,
  d.updated_at,
  d.updated_by
from wms.document as d;

comment on view api.wms_documents is
  'Warehouse documents
Made by wms_document_create, posted by wms_document_post, cancelled by wms_document_cancel, reversed by wms_document_reverse.
partner_id, reference and posting_date may be changed here until it is posted. The lines are in wms_document_lines, a page at a
time.';
comment on column api.wms_documents.org_id is 'Organisation';
comment on column api.wms_documents.id is 'Identifier, in order of creation';
comment on column api.wms_documents.document_type is
  'IMPORT, EXPORT, SALE, TRANSFER, RETURN, ADJUSTMENT, COUNT or MOVE';
comment on column api.wms_documents.status is 'DRAFT, RESERVED, PICKING, PACKED, POSTED, REVERSED or CANCELLED';
comment on column api.wms_documents.number is 'Number, without gaps; null until it is posted';
comment on column api.wms_documents.from_location_id is 'Warehouse that the goods leave';
comment on column api.wms_documents.to_location_id is 'Warehouse that the goods reach';
comment on column api.wms_documents.partner_id is 'Supplier or customer';
comment on column api.wms_documents.reference is 'What the partner calls it';
comment on column api.wms_documents.posting_date is 'Business day of the movement; null: the day of posting';
comment on column api.wms_documents.currency is 'Currency of the prices';
comment on column api.wms_documents.line_count is 'How many lines it has';
comment on column api.wms_documents.total is 'Sum of the amounts of its lines';
comment on column api.wms_documents.status_reason is 'Why it was cancelled, reversed or made';
comment on column api.wms_documents.reverses is 'Document that this one is the mirror of';
comment on column api.wms_documents.posted_at is 'When it was posted';
comment on column api.wms_documents.posted_by is 'User who posted it';
comment on column api.wms_documents.cancelled_at is 'When it was cancelled';
comment on column api.wms_documents.cancelled_by is 'User who cancelled it';
comment on column api.wms_documents.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_documents.created_at is 'When it was made';
comment on column api.wms_documents.created_by is 'User who made it';
comment on column api.wms_documents.updated_at is 'When it was last changed';
comment on column api.wms_documents.updated_by is 'User who last changed it';

create view api.wms_document_lines
with (security_invoker = true)
as
select
  l.org_id,
  l.document_id,
  l.id,
  l.line_no,
  l.item_id,
  l.lot_id,
  l.from_position_id,
  l.to_position_id,
  l.quantity,
  l.unit_code,
  l.quantity_base,
  l.unit_price,
  l.amount,
  l.created_at,
  l.created_by
from wms.document_line as l;

comment on view api.wms_document_lines is
  'Lines of warehouse documents
Ask for those of one document (document_id=eq.…&order=line_no); replaced as a whole by wms_document_lines_put.';
comment on column api.wms_document_lines.org_id is 'Organisation';
comment on column api.wms_document_lines.document_id is 'Document';
comment on column api.wms_document_lines.id is 'Identifier';
comment on column api.wms_document_lines.line_no is 'Position in the document, from 1';
comment on column api.wms_document_lines.item_id is 'Item';
comment on column api.wms_document_lines.lot_id is 'Lot or serial number of a tracked item';
comment on column api.wms_document_lines.from_position_id is 'Place that the goods leave';
comment on column api.wms_document_lines.to_position_id is 'Place that the goods reach';
comment on column api.wms_document_lines.quantity is 'How much, in unit_code';
comment on column api.wms_document_lines.unit_code is 'Unit of quantity and price';
comment on column api.wms_document_lines.quantity_base is 'The quantity in the unit that the item is kept in';
comment on column api.wms_document_lines.unit_price is 'Price of one unit_code, in the currency of the document';
comment on column api.wms_document_lines.amount is 'quantity times unit_price';
comment on column api.wms_document_lines.created_at is 'When it was entered';
comment on column api.wms_document_lines.created_by is 'User who entered it';

create view api.wms_ledger
with (security_invoker = true)
as
select
  l.org_id,
  l.id,
  l.item_id,
  l.lot_id,
  l.location_id,
  l.delta,
  l.value_delta,
  l.document_id,
  l.line_id,
  l.occurred_at,
  l.posted_at,
  i.sku,
  p.code as location_code,
  p.is_virtual,
  t.lot_no
from wms.stock_ledger as l
inner join core.item as i
  on i.org_id = l.org_id
  and i.id = l.item_id
inner join core.location as p
  on p.org_id = l.org_id
  and p.id = l.location_id
left join wms.lot as t
  on t.org_id = l.org_id
  and t.id = l.lot_id;

comment on view api.wms_ledger is
  'Every movement of stock, two rows a line: what left one place, what reached another
Nothing in it ever changes. The sum of delta over all places, the virtual ones among them, is zero.';
comment on column api.wms_ledger.org_id is 'Organisation';
comment on column api.wms_ledger.id is 'Identifier, in order of posting';
comment on column api.wms_ledger.item_id is 'Item';
comment on column api.wms_ledger.lot_id is 'Lot or serial number';
comment on column api.wms_ledger.location_id is 'Place';
comment on column api.wms_ledger.delta is 'Change of the quantity at the place, in the unit that the item is kept in';
comment on column api.wms_ledger.value_delta is 'Change of the value at the place, in the base currency';
comment on column api.wms_ledger.document_id is 'Document that moved it';
comment on column api.wms_ledger.line_id is 'Line of the document';
comment on column api.wms_ledger.occurred_at is 'When the goods moved';
comment on column api.wms_ledger.posted_at is 'When it was entered';
comment on column api.wms_ledger.sku is 'Code of the item';
comment on column api.wms_ledger.location_code is 'Short name of the place';
comment on column api.wms_ledger.is_virtual is 'Whether the place stands for the outside world';
comment on column api.wms_ledger.lot_no is 'Number of the lot';

create trigger refuse
instead of insert or update or delete on api.wms_ledger
for each row
execute function wms.tg_view__refuse();

create view api.wms_stock
with (security_invoker = true)
as
select
  b.org_id,
  b.id,
  b.item_id,
  b.lot_id,
  b.location_id,
  b.warehouse_id,
  b.quantity,
  b.reserved,
  b.quantity - b.reserved as available,
  b.packed,
  b.updated_at,
  i.sku,
  i.name as item_name,
  i.unit_code,
  t.lot_no,
  t.status as lot_status,
  t.expires_on,
  p.code as location_code,
  p.name as location_name,
  p.kind as location_kind,
  w.code as warehouse_code,
  w.name as warehouse_name
from wms.balance as b
inner join core.item as i
  on i.org_id = b.org_id
  and i.id = b.item_id
inner join core.location as p
  on p.org_id = b.org_id
  and p.id = b.location_id
inner join core.location as w
  on w.org_id = b.org_id
  and w.id = b.warehouse_id
left join wms.lot as t
  on t.org_id = b.org_id
  and t.id = b.lot_id;

comment on view api.wms_stock is
  'What lies where, now
Filter by warehouse_id, location_id or item_id; quantity=gt.0 leaves out what is used up.';
comment on column api.wms_stock.org_id is 'Organisation';
comment on column api.wms_stock.id is 'Identifier';
comment on column api.wms_stock.item_id is 'Item';
comment on column api.wms_stock.lot_id is 'Lot or serial number of a tracked item';
comment on column api.wms_stock.location_id is 'Position';
comment on column api.wms_stock.warehouse_id is 'Warehouse that the position lies in';
comment on column api.wms_stock.quantity is 'What lies there, in unit_code';
comment on column api.wms_stock.reserved is 'How much of it is promised';
comment on column api.wms_stock.available is 'What may still be taken: quantity less reserved';
comment on column api.wms_stock.packed is 'How much of it is in handling units, which move as a whole';
comment on column api.wms_stock.updated_at is 'When it last changed';
comment on column api.wms_stock.sku is 'Code of the item';
comment on column api.wms_stock.item_name is 'Name of the item';
comment on column api.wms_stock.unit_code is 'Unit that the item is kept in';
comment on column api.wms_stock.lot_no is 'Number of the lot';
comment on column api.wms_stock.lot_status is 'Status of the lot';
comment on column api.wms_stock.expires_on is 'Last day of use of the lot';
comment on column api.wms_stock.location_code is 'Short name of the position';
comment on column api.wms_stock.location_name is 'Name of the position';
comment on column api.wms_stock.location_kind is 'Kind of the position';
comment on column api.wms_stock.warehouse_code is 'Short name of the warehouse';
comment on column api.wms_stock.warehouse_name is 'Name of the warehouse';

create trigger refuse
instead of insert or update or delete on api.wms_stock
for each row
execute function wms.tg_view__refuse();
