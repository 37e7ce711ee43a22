-- Everything is picked.

create or replace function api.wms_document_pack(id uuid, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: the status of a document is written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document wms.document;
  v_left record;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.stock.pick');
  v_document := wms.lock_reserved(wms_document_pack.id, wms_document_pack.version);

  select i.sku, i.unit_code, trim_scale(sum(r.quantity)) as quantity
  into v_left
  from wms.reservation as r
  inner join core.location as p
    on p.org_id = r.org_id
    and p.id = r.location_id
  inner join core.item as i
    on i.org_id = r.org_id
    and i.id = r.item_id
  where r.org_id = v_document.org_id
    and r.document_id = v_document.id
    and r.status = 'HELD'
    and p.kind not in ('STAGING', 'SHIPPING')
  group by i.sku, i.unit_code
  order by i.sku
  limit 1;
  if found then
    perform core.raise_error(
      'wms.not_all_picked',
      jsonb_build_object('item', v_left.sku, 'quantity', v_left.quantity, 'unit', v_left.unit_code)
    );
  end if;

  update wms.document as d
  set status = 'PACKED'
  where d.org_id = v_document.org_id
    and d.id = v_document.id;
  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_pack(uuid, integer) is
  'Say that everything reserved for a document is picked
From PICKING to PACKED, ready to be posted. Refused while something reserved lies elsewhere than in STAGING or SHIPPING
(wms.not_all_picked, 409). Needs wms.stock.pick.';

grant execute on function api.wms_document_pack(uuid, integer) to member, superadmin, migrator;
