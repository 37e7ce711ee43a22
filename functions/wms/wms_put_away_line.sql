-- What a line of a receipt brought goes where it belongs.

create or replace function api.wms_put_away_line(
  document_id uuid,
  line_id uuid,
  quantity numeric default null,
  to_position_id uuid default null
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
  v_document wms.document;
  v_line wms.document_line;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.stock.move');
  select d.*
  into v_document
  from wms.document as d
  where d.org_id = core.org_id()
    and d.id = wms_put_away_line.document_id;
  if not found then
    perform core.raise_error('wms.document_not_found', jsonb_build_object('id', wms_put_away_line.document_id));
  elsif v_document.status <> 'POSTED' or v_document.to_location_id is null then
    perform core.raise_error(
      'wms.document_not_received', jsonb_build_object('id', v_document.id, 'status', v_document.status)
    );
  end if;
  select l.*
  into v_line
  from wms.document_line as l
  where l.org_id = v_document.org_id
    and l.document_id = v_document.id
    and l.id = wms_put_away_line.line_id;
  if not found then
    perform core.raise_error('wms.line_not_found', jsonb_build_object('id', wms_put_away_line.line_id));
  elsif wms_put_away_line.quantity > v_line.quantity_base then
    perform core.raise_error(
      'wms.more_than_received',
      jsonb_build_object('requested', trim_scale(wms_put_away_line.quantity), 'received', trim_scale(v_line.quantity_base))
    );
  end if;

  v_row := api.wms_put_away(
    v_line.to_position_id, v_line.item_id, coalesce(wms_put_away_line.quantity, v_line.quantity_base), v_line.lot_id,
    wms_put_away_line.to_position_id, null, coalesce(v_document.reference, v_document.number)
  );
  return v_row;
end
$$;

comment on function api.wms_put_away_line(uuid, uuid, numeric, uuid) is
  'Put away what a line of a posted receipt brought
All of it, or quantity of it in the unit of the item; as wms_put_away, which says what is refused, and refused besides when the
document brought nothing (wms.document_not_received, 409) or less than that (wms.more_than_received, 422). The MOVE has the
reference of the receipt. Needs wms.stock.move.';

grant execute on function api.wms_put_away_line(uuid, uuid, numeric, uuid) to member, superadmin, migrator;
