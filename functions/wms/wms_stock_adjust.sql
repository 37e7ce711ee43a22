-- Somebody finds that there is more or less than the balance says.

create or replace function api.wms_stock_adjust(
  position_id uuid,
  item_id uuid,
  new_quantity numeric,
  reason text,
  lot_id uuid default null,
  unit_code text default null,
  id uuid default null
)
returns api.wms_adjustments
language plpgsql
volatile
parallel unsafe
-- definer: adjustments, balances and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_stock_adjust.id, uuidv7());
  v_position wms.place;
  v_item core.item;
  v_new numeric;
  v_difference numeric;
  v_adjustment wms.adjustment;
  v_row api.wms_adjustments;
begin
  perform core.require_permission('wms.stock.adjust');
  v_position := wms.require_position(wms_stock_adjust.position_id);
  v_item := wms.require_item(wms_stock_adjust.item_id, wms_stock_adjust.lot_id);
  if new_quantity is null or new_quantity < 0 or new_quantity = 'NaN' then
    perform core.raise_error('wms.counted_negative');
  elsif coalesce(btrim(reason), '') = '' then
    perform core.raise_error('core.reason_missing', jsonb_build_object('entity', 'wms.adjustment', 'action', 'post'));
  elsif exists (select from wms.adjustment as a where a.org_id = v_org and a.id = v_id) then
    perform core.raise_error('wms.adjustment_exists', jsonb_build_object('id', v_id));
  end if;
  v_new := round(
    core.convert(new_quantity, coalesce(unit_code, v_item.unit_code), v_item.unit_code, v_item.id), 6
  );

  -- A count of the same goods would correct the same difference once more: starting one waits for us, and we for it.
  perform wms.hold_counts(v_position.warehouse_id);
  perform wms.refuse_while_counted(v_position.id, v_item, wms_stock_adjust.lot_id);

  select
    v_org as org_id,
    v_id as id,
    v_position.warehouse_id as warehouse_id,
    coalesce(sum(b.quantity), 0) as quantity_before
  into v_adjustment.org_id, v_adjustment.id, v_adjustment.warehouse_id, v_adjustment.quantity_before
  from wms.balance as b
  where b.org_id = v_org
    and b.item_id = v_item.id
    and b.location_id = v_position.id
    and b.lot_id is not distinct from wms_stock_adjust.lot_id;
  v_difference := v_new - v_adjustment.quantity_before;
  if v_difference = 0 then
    perform core.raise_error(
      'wms.adjustment_changes_nothing', jsonb_build_object('item', v_item.sku, 'quantity', trim_scale(v_new))
    );
  end if;
  v_adjustment.position_id := v_position.id;
  v_adjustment.item_id := v_item.id;
  v_adjustment.lot_id := wms_stock_adjust.lot_id;
  v_adjustment.new_quantity := v_new;
  v_adjustment.reason := btrim(wms_stock_adjust.reason);
  v_adjustment.currency := (select o.base_currency from core.organization as o where o.id = v_org);
  v_adjustment.amount := case
    when v_item.currency = v_adjustment.currency then round(abs(v_difference) * v_item.price, 4)
  end;

  if abs(v_difference) > (core.setting('wms.adjustment_limit_quantity') #>> '{}')::numeric
    or v_adjustment.amount > (core.setting('wms.adjustment_limit_value') #>> '{}')::numeric
  then
    perform wms.ask_for_adjustment(v_adjustment);
  else
    perform wms.post_adjustment(v_adjustment);
  end if;

  select a.* into v_row from api.wms_adjustments as a where a.org_id = v_org and a.id = v_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_stock_adjust(uuid, uuid, numeric, text, uuid, text, uuid) is
  'Correct what lies at a position
new_quantity is all that lies there of the item (and lot), reason says why it differs. Up to the limits of the organisation
(settings wms.adjustment_limit_value and wms.adjustment_limit_quantity) an ADJUSTMENT is posted at once: status POSTED. Above
one of them it is PENDING until somebody else decides it with approval_decide. Refused while the goods are in an open count
(wms.count_is_open, 409) or another correction of them waits (wms.adjustment_pending, 409). Needs wms.stock.adjust.';

grant execute on function api.wms_stock_adjust(uuid, uuid, numeric, text, uuid, text, uuid)
to member, superadmin, migrator;

create or replace function wms.hold_counts(warehouse_id uuid, is_exclusive boolean default false)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if is_exclusive then
    perform
    from core.location as w
    where w.org_id = core.org_id()
      and w.id = hold_counts.warehouse_id
    for no key update;
  else
    perform
    from core.location as w
    where w.org_id = core.org_id()
      and w.id = hold_counts.warehouse_id
    for share;
  end if;
end
$$;

comment on function wms.hold_counts(uuid, boolean) is
  'Holds a warehouse until the transaction ends, so that nothing is adjusted (shared) while goods come on the list of a '
  'count (exclusive). Taken before any other lock; postings do not take it.';

create or replace function wms.refuse_while_counted(position_id uuid, item core.item, lot_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_number text;
begin
  select c.number
  into v_number
  from wms.count_line as l
  inner join wms.count_session as c
    on c.org_id = l.org_id
    and c.id = l.count_id
  where l.org_id = core.org_id()
    and l.item_id = refuse_while_counted.item.id
    and l.position_id = refuse_while_counted.position_id
    and l.lot_id is not distinct from refuse_while_counted.lot_id
    and l.is_open;
  if found then
    perform core.raise_error(
      'wms.count_is_open', jsonb_build_object('item', refuse_while_counted.item.sku, 'number', v_number)
    );
  elsif exists (
    select
    from wms.adjustment as a
    where a.org_id = core.org_id()
      and a.item_id = refuse_while_counted.item.id
      and a.position_id = refuse_while_counted.position_id
      and a.lot_id is not distinct from refuse_while_counted.lot_id
      and a.status = 'PENDING'
  ) then
    perform core.raise_error('wms.adjustment_pending', jsonb_build_object('item', refuse_while_counted.item.sku));
  end if;
end
$$;

comment on function wms.refuse_while_counted(uuid, core.item, uuid) is
  'Raises wms.count_is_open or wms.adjustment_pending (409) while somebody else is finding out what lies there.';
