-- The first step of everything that is done to a document.

create or replace function wms.lock_document(id uuid, version integer, statuses text[])
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_document wms.document;
begin
  select d.*
  into v_document
  from wms.document as d
  where d.org_id = v_org
    and d.id = lock_document.id
  for no key update;

  if not found then
    perform core.raise_error('wms.document_not_found', jsonb_build_object('id', id));
  elsif v_document.status <> all (statuses) then
    perform core.raise_error(
      case when 'DRAFT' = any (statuses) then 'wms.document_not_draft' else 'wms.document_status' end,
      jsonb_build_object('id', id, 'status', v_document.status, 'number', v_document.number)
    );
  end if;
  if version is not null then
    perform core.check_version('document', version, v_document.version);
  end if;
  return v_document;
end
$$;

comment on function wms.lock_document(uuid, integer, text[]) is
  'Locks a document that has one of the statuses until the transaction ends and returns it. Raises wms.document_not_found '
  '(404), wms.document_not_draft or wms.document_status (409), core.stale_version (412; a null version matches any).';

create or replace function wms.lock_draft(id uuid, version integer)
returns wms.document
language sql
volatile
parallel unsafe
return wms.lock_document(lock_draft.id, lock_draft.version, '{DRAFT}');

comment on function wms.lock_draft(uuid, integer) is
  'Locks a draft until the transaction ends and returns it, see wms.lock_document.';
