-- What is kept in stock, and what is short: the views that PostgREST exposes.

create view api.wms_reorder_rules
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.item_id,
  r.warehouse_id,
  r.minimum,
  r.maximum,
  r.multiple,
  r.note,
  r.version,
  r.created_at,
  r.created_by,
  r.updated_at,
  r.updated_by
from wms.reorder_rule as r;

comment on view api.wms_reorder_rules is
  'What is to be kept in stock of an item in a warehouse
Short below minimum; then wms_reorder_suggest says how many multiples bring it to maximum.';
comment on column api.wms_reorder_rules.org_id is 'Organisation';
comment on column api.wms_reorder_rules.id is 'Identifier, in order of creation';
comment on column api.wms_reorder_rules.item_id is 'Item';
comment on column api.wms_reorder_rules.warehouse_id is 'Warehouse';
comment on column api.wms_reorder_rules.minimum is 'Short when less than this may be taken, in the unit of the item';
comment on column api.wms_reorder_rules.maximum is 'How much there is to be when what is ordered has come';
comment on column api.wms_reorder_rules.multiple is 'It is ordered in multiples of this';
comment on column api.wms_reorder_rules.note is 'Remark';
comment on column api.wms_reorder_rules.version is 'Grows with each change; to be sent back with one';
comment on column api.wms_reorder_rules.created_at is 'When it was made';
comment on column api.wms_reorder_rules.created_by is 'User who made it';
comment on column api.wms_reorder_rules.updated_at is 'When it was last changed';
comment on column api.wms_reorder_rules.updated_by is 'User who last changed it';

create view api.wms_shortages
with (security_invoker = true)
as
select
  r.org_id,
  r.id,
  r.item_id,
  r.warehouse_id,
  r.minimum,
  r.maximum,
  r.multiple,
  s.quantity,
  s.reserved,
  s.unusable,
  s.quantity - s.reserved - s.unusable as available,
  r.minimum - (s.quantity - s.reserved - s.unusable) as short,
  i.sku,
  i.name as item_name,
  i.unit_code,
  w.code as warehouse_code
from wms.reorder_rule as r
inner join core.item as i
  on i.org_id = r.org_id
  and i.id = r.item_id
inner join core.location as w
  on w.org_id = r.org_id
  and w.id = r.warehouse_id
cross join lateral wms.stock_in_warehouse(r.org_id, r.warehouse_id, r.item_id) as s
where i.is_active
  and s.quantity - s.reserved - s.unusable < r.minimum
  and not wms.is_counted_blind(r.item_id, r.warehouse_id);

comment on view api.wms_shortages is
  'Items below their minimum, now
By reorder rule: filter by warehouse_id, order by id. wms_reorder_suggest also counts what is on its way.';
comment on column api.wms_shortages.org_id is 'Organisation';
comment on column api.wms_shortages.id is 'Reorder rule';
comment on column api.wms_shortages.item_id is 'Item';
comment on column api.wms_shortages.warehouse_id is 'Warehouse';
comment on column api.wms_shortages.minimum is 'What should be there at least';
comment on column api.wms_shortages.maximum is 'What should be there when what is ordered has come';
comment on column api.wms_shortages.multiple is 'It is ordered in multiples of this';
comment on column api.wms_shortages.quantity is 'What lies in the warehouse, in unit_code';
comment on column api.wms_shortages.reserved is 'How much of it is promised';
comment on column api.wms_shortages.unusable is 'How much else may not move: lots that are held or expired';
comment on column api.wms_shortages.available is 'What may be taken: quantity less reserved and unusable';
comment on column api.wms_shortages.short is 'How much is missing to the minimum';
comment on column api.wms_shortages.sku is 'Code of the item';
comment on column api.wms_shortages.item_name is 'Name of the item';
comment on column api.wms_shortages.unit_code is 'Unit that the item is kept in';
comment on column api.wms_shortages.warehouse_code is 'Short name of the warehouse';

create trigger refuse
instead of insert or update or delete on api.wms_shortages
for each row
execute function wms.tg_view__refuse();
