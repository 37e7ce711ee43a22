-- A document that will not be posted.

create or replace function api.wms_document_cancel(id uuid, reason text, version integer default null)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: the status of a document is written by these functions only
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.cancel');
  v_document := wms.lock_document(id, version, '{DRAFT,RESERVED}');
  perform wms.release_document(v_document, 'CANCELLED');

  update wms.document as d
  set
    status = 'CANCELLED',
    status_reason = nullif(btrim(reason), ''),
    cancelled_at = now(),
    cancelled_by = core.user_id()
  where d.org_id = v_document.org_id
    and d.id = v_document.id;

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_cancel(uuid, text, integer) is
  'Cancel a draft or a reserved document, saying why
What was promised to it is released. A posted document is reversed instead. Needs wms.document.cancel.';

grant execute on function api.wms_document_cancel(uuid, text, integer) to member, superadmin, migrator;
