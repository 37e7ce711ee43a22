-- Removes a draft that nobody will miss.

create or replace function api.wms_document_delete(id uuid, version integer)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: documents and lines are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.delete');
  if version is null then
    perform core.raise_error('wms.version_missing');
  end if;
  v_document := wms.lock_draft(id, version);
  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;

  delete from wms.reservation as r
  where r.org_id = v_document.org_id
    and r.document_id = v_document.id;
  delete from wms.document_line as l
  where l.org_id = v_document.org_id
    and l.document_id = v_document.id;
  delete from wms.document as d
  where d.org_id = v_document.org_id
    and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_delete(uuid, integer) is
  'Delete a draft with its lines, and return it as it was
version is the one that the caller has seen. Whatever is no draft stays: wms.document_not_draft (409). wms_document_cancel keeps
the document and says why. Needs wms.document.delete.';

grant execute on function api.wms_document_delete(uuid, integer) to member, superadmin, migrator;
