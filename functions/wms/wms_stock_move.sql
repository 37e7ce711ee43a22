-- Goods that lie in one place and should lie in another.

create or replace function api.wms_stock_move(
  from_position_id uuid,
  to_position_id uuid,
  item_id uuid,
  quantity numeric,
  reason text,
  lot_id uuid default null,
  unit_code text default null
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
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.stock.move');
  v_from := wms.require_position(wms_stock_move.from_position_id);
  v_item := wms.require_item(wms_stock_move.item_id, wms_stock_move.lot_id);
  v_quantity := wms.in_item_unit(v_item, wms_stock_move.quantity, wms_stock_move.unit_code);
  if coalesce(btrim(reason), '') = '' then
    perform core.raise_error('core.reason_missing', jsonb_build_object('entity', 'wms.document', 'action', 'move'));
  end if;

  v_document := wms.move_goods(
    v_from, v_item.id, wms_stock_move.lot_id, array[wms_stock_move.to_position_id], array[v_quantity],
    btrim(wms_stock_move.reason), null
  );
  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_stock_move(uuid, uuid, uuid, numeric, text, uuid, text) is
  'Move goods to another position of the same warehouse
Posts a MOVE document; a reason is needed. What is reserved or packed stays where it is. Goods that may not be used for now
(part of a lot that is damaged, say) are put aside by a move to a QUARANTINE position. Refused: wms.same_position,
wms.capacity_exceeded, wms.place_inactive, wms.position_elsewhere, wms.insufficient_stock (422), wms.lot_not_approved (423:
such a lot goes to a QUARANTINE position only). Needs wms.stock.move.';

grant execute on function api.wms_stock_move(uuid, uuid, uuid, numeric, text, uuid, text) to member, superadmin, migrator;
