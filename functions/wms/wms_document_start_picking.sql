-- The way of a reserved document through the warehouse.

create or replace function wms.step_document(id uuid, version integer, from_status text, to_status text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_document wms.document := wms.lock_document(id, version, array[from_status]);
begin
  update wms.document as d
  set status = to_status
  where d.org_id = v_document.org_id
    and d.id = v_document.id;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function wms.step_document(uuid, integer, text, text) is
  'Takes a document from one status to the next, for a function that has checked the right.';

create or replace function api.wms_document_start_picking(id uuid, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: the status of a document is written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.pick');
  perform wms.step_document(id, version, 'RESERVED', 'PICKING');
  select d.* into v_row from api.wms_documents as d where d.org_id = core.org_id() and d.id = wms_document_start_picking.id;
  return v_row;
end
$$;

comment on function api.wms_document_start_picking(uuid, integer) is
  'Begin to pick for a reserved document
Refused: wms.document_status (409) unless it is RESERVED. Needs wms.document.pick.';

grant execute on function api.wms_document_start_picking(uuid, integer) to member, superadmin, migrator;
