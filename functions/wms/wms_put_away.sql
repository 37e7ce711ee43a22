-- Goods that came in go where they belong.

create or replace function api.wms_put_away(
  from_position_id uuid,
  item_id uuid,
  quantity numeric,
  lot_id uuid default null,
  to_position_id uuid default null,
  unit_code text default null,
  reference text default null
)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: balances and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_from wms.place;
  v_item core.item;
  v_quantity numeric;
  v_places uuid[];
  v_quantities numeric[];
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.stock.move');
  v_from := wms.require_position(wms_put_away.from_position_id);
  if v_from.kind not in ('RECEIVING', 'UNASSIGNED') then
    perform core.raise_error('wms.nothing_to_put_away', jsonb_build_object('place', v_from.code, 'kind', v_from.kind));
  end if;
  v_item := wms.require_item(wms_put_away.item_id, wms_put_away.lot_id);
  v_quantity := wms.in_item_unit(v_item, wms_put_away.quantity, wms_put_away.unit_code);

  if wms_put_away.to_position_id is not null then
    v_places := array[wms_put_away.to_position_id];
    v_quantities := array[v_quantity];
  else
    select array_agg(p.position_id), array_agg(p.quantity)
    into v_places, v_quantities
    from api.wms_put_away_propose(v_from.warehouse_id, v_item.id, v_quantity, wms_put_away.lot_id) as p;
    if coalesce((select sum(q.quantity) from unnest(v_quantities) as q (quantity)), 0) < v_quantity then
      perform core.raise_error(
        'wms.no_room',
        jsonb_build_object(
          'item', v_item.sku, 'requested', trim_scale(v_quantity), 'unit', v_item.unit_code,
          'room', (select trim_scale(coalesce(sum(q.quantity), 0)) from unnest(v_quantities) as q (quantity))
        )
      );
    end if;
  end if;

  v_document := wms.move_goods(
    v_from, v_item.id, wms_put_away.lot_id, v_places, v_quantities, 'Put away', wms_put_away.reference
  );
  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_put_away(uuid, uuid, numeric, uuid, uuid, text, text) is
  'Put goods away from a receiving position
To to_position_id, else where wms_put_away_propose says, which may be several positions; posts one MOVE document. Refused:
wms.nothing_to_put_away, wms.same_position, wms.capacity_exceeded, wms.no_room, wms.place_inactive, wms.position_elsewhere,
wms.insufficient_stock (422), wms.lot_not_approved (423; such a lot goes to a QUARANTINE position only). Needs wms.stock.move.';

grant execute on function api.wms_put_away(uuid, uuid, numeric, uuid, uuid, text, text) to member, superadmin, migrator;

create or replace function wms.move_goods(
  source wms.place,
  item_id uuid,
  lot_id uuid,
  places uuid[],
  quantities numeric[],
  reason text,
  reference text
)
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_target record;
  v_place wms.place;
  v_lines jsonb := '[]';
begin
  for v_target in
    select t.place_id, t.quantity
    from unnest(move_goods.places, move_goods.quantities) as t (place_id, quantity)
    order by t.place_id
  loop
    if v_target.place_id = source.id then
      perform core.raise_error('wms.same_position', jsonb_build_object('position_id', source.id));
    end if;
    v_place := wms.require_position(v_target.place_id, source.warehouse_id);
    perform wms.require_capacity(v_place.id, array[move_goods.item_id], array[v_target.quantity]);
    v_lines := v_lines || wms.lines_between(
      array[move_goods.item_id], array[move_goods.lot_id], array[v_target.quantity], source.id, v_place.id
    );
  end loop;
  return wms.post_at_once(
    'MOVE', source.warehouse_id, source.warehouse_id, v_lines,
    reason => move_goods.reason, reference => nullif(btrim(move_goods.reference), '')
  );
end
$$;

comment on function wms.move_goods(wms.place, uuid, uuid, uuid[], numeric[], text, text) is
  'Moves goods from one position to others of its warehouse by one MOVE document, as far as they have room. Raises '
  'wms.same_position, wms.capacity_exceeded, wms.place_inactive, wms.position_elsewhere (422) and the errors of posting.';
