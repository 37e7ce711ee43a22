-- The first step of everything that is done to a draft.

create or replace function wms.lock_draft(id uuid, version integer)
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_document wms.document;
begin
  select d.*
  into v_document
  from wms.document as d
  where d.org_id = core.org_id()
    and d.id = lock_draft.id
  for no key update;

  if not found then
    perform core.raise_error('wms.document_not_found', jsonb_build_object('id', id));
  elsif v_document.status <> 'DRAFT' then
    perform core.raise_error(
      'wms.document_not_draft', jsonb_build_object('id', id, 'status', v_document.status, 'number', v_document.number)
    );
  elsif version <> v_document.version then
    perform core.raise_error(
      'core.stale_version',
      jsonb_build_object('table', 'document', 'version', version, 'current_version', v_document.version)
    );
  end if;
  return v_document;
end
$$;

comment on function wms.lock_draft(uuid, integer) is
  'Locks a document until the transaction ends and returns it. Raises wms.document_not_found (404), '
  'wms.document_not_draft (409), core.stale_version (412; a null version matches any).';
