-- New lines for a draft, in place of those it has.

create or replace function api.wms_document_lines_put(id uuid, version integer, lines jsonb)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: documents and lines are written by these functions only, nobody has a grant to insert them
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_document wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.update');
  if version is null then
    perform core.raise_error('wms.version_missing');
  end if;
  v_document := wms.lock_draft(id, version);

  delete from wms.document_line as l
  where l.org_id = v_document.org_id
    and l.document_id = v_document.id;

  perform wms.write_lines(
    wms.read_lines(
      v_document.id, v_document.document_type, v_document.from_location_id, v_document.to_location_id, lines
    )
  );

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_lines_put(uuid, integer, jsonb) is
  'Replace all lines of a draft
lines as in wms_document_create; version is the one that the caller has seen. Needs wms.document.update.';

grant execute on function api.wms_document_lines_put(uuid, integer, jsonb) to member, superadmin, migrator;
