-- The goods of a document are packed.

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
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.pick');
  perform wms.step_document(id, version, 'PICKING', 'PACKED');
  select d.* into v_row from api.wms_documents as d where d.org_id = core.org_id() and d.id = wms_document_pack.id;
  return v_row;
end
$$;

comment on function api.wms_document_pack(uuid, integer) is
  'Say that the goods of a document are packed
Refused: wms.document_status (409) unless it is PICKING. Needs wms.document.pick.';

grant execute on function api.wms_document_pack(uuid, integer) to member, superadmin, migrator;
