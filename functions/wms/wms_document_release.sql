-- Takes a document back to a draft, and gives back what was promised to it.

create or replace function wms.release_document(document wms.document, because text)
returns integer
language sql
volatile
parallel unsafe
return wms.release_reservations(
  array(
    select r.id
    from wms.reservation as r
    where r.org_id = (release_document.document).org_id
      and r.document_id = (release_document.document).id
      and r.status = 'HELD'
  ),
  release_document.because
);

comment on function wms.release_document(wms.document, text) is
  'Releases what is held for a document that the caller has locked; returns how many reservations.';

create or replace function api.wms_document_release(id uuid, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: reservations, balances and the status of a document are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.reserve');
  v_document := wms.lock_document(id, version, '{RESERVED,PICKING,PACKED}');
  perform wms.release_document(v_document, 'REQUESTED');

  update wms.document as d
  set status = 'DRAFT'
  where d.org_id = v_document.org_id
    and d.id = v_document.id;

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_release(uuid, integer) is
  'Release everything that is promised to a document and make it a draft again
Goods that were picked stay where they are. Refused: wms.document_status (409) for a draft and for what is posted.
Needs wms.document.reserve.';

grant execute on function api.wms_document_release(uuid, integer) to member, superadmin, migrator;
