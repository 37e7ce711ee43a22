-- A handling unit leaves the house.

create or replace function api.wms_handling_unit_ship(
  id uuid,
  partner_id uuid default null,
  document_type text default 'EXPORT',
  reference text default null,
  version integer default null
)
returns api.wms_handling_units
language plpgsql
volatile
parallel unsafe
-- definer: units, balances and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_unit wms.handling_unit;
  v_items uuid[];
  v_lots uuid[];
  v_quantities numeric[];
  v_taken numeric[];
  v_document wms.document;
  v_row api.wms_handling_units;
begin
  perform core.require_permission('wms.handling_unit.ship');
  v_unit := wms.lock_handling_unit(wms_handling_unit_ship.id, wms_handling_unit_ship.version);
  if v_unit.parent_id is not null then
    perform core.raise_error('wms.handling_unit_nested', jsonb_build_object('sscc', v_unit.sscc));
  elsif document_type is null or document_type not in ('EXPORT', 'SALE') then
    perform core.raise_error('wms.handling_unit_document', jsonb_build_object('document_type', document_type));
  end if;
  perform wms.require_position(v_unit.location_id);
  select g.items, g.lots, g.quantities into v_items, v_lots, v_quantities from wms.handling_unit_goods(v_unit.id) as g;
  if cardinality(v_items) = 0 then
    perform core.raise_error('wms.handling_unit_empty', jsonb_build_object('sscc', v_unit.sscc));
  end if;

  -- In the order of every posting: the days, lots, balances.
  perform wms.enter_period(v_unit.org_id);
  perform wms.lock_lots(v_unit.org_id, array_remove(v_lots, null));
  v_taken := array(select - q.quantity from unnest(v_quantities) with ordinality as q (quantity, n) order by q.n);
  perform wms.lock_balances(
    v_unit.warehouse_id, v_items, v_lots, array_fill(v_unit.location_id, array[cardinality(v_items)])
  );
  perform wms.change_packed(v_unit.warehouse_id, v_unit.location_id, v_items, v_lots, v_taken);
  v_document := wms.post_at_once(
    wms_handling_unit_ship.document_type, v_unit.warehouse_id, null,
    wms.lines_between(v_items, v_lots, v_quantities, v_unit.location_id, null),
    reference => coalesce(nullif(btrim(wms_handling_unit_ship.reference), ''), v_unit.sscc),
    partner_id => wms_handling_unit_ship.partner_id
  );
  update wms.handling_unit as u
  set
    status = 'SHIPPED',
    document_id = v_document.id
  where u.org_id = v_unit.org_id
    and u.id in (select f.id from wms.handling_unit_family(v_unit.id) as f (id));

  select u.* into v_row from api.wms_handling_units as u where u.org_id = v_unit.org_id and u.id = v_unit.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_handling_unit_ship(uuid, uuid, text, text, integer) is
  'Ship a handling unit with all that is in it
Posts an EXPORT or SALE of its goods, whose reference is the SSCC unless another is given; what was in it stays on record.
Needs wms.handling_unit.ship.';

grant execute on function api.wms_handling_unit_ship(uuid, uuid, text, text, integer) to member, superadmin, migrator;
