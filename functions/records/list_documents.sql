-- Which documents of its crate a withdrawal asks for.

create or replace function records.list_documents(request records.request, documents uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_missing jsonb;
begin
  select jsonb_agg(x.id)
  into v_missing
  from unnest(documents) as x (id)
  where not exists (
    select
    from records.crate_document as e
    where e.org_id = request.org_id
      and e.crate_id = request.crate_id
      and e.document_id = x.id
      and e.removed_at is null
  );
  if v_missing is not null then
    perform core.raise_error('records.document_elsewhere', jsonb_build_object('documents', v_missing));
  end if;

  delete from records.request_document as d
  where d.org_id = request.org_id
    and d.request_id = request.id
    and d.document_id <> all (coalesce(documents, '{}'));

  insert into records.request_document (org_id, request_id, document_id)
  select distinct request.org_id, request.id, x.id
  from unnest(documents) as x (id)
  on conflict on constraint document_once_in_a_request do nothing;
end
$$;

comment on function records.list_documents(records.request, uuid[]) is
  'Makes the list of a withdrawal what is given. Raises records.document_elsewhere (422) for one that is not in the crate.';

create or replace function records.check_wishes(request records.request)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if request.kind <> 'STORAGE' and coalesce(btrim(request.purpose), '') = '' then
    perform core.raise_error('records.purpose_missing');
  elsif request.kind = 'WITHDRAWAL' and request.expected_return_on is null then
    perform core.raise_error('records.return_date_missing');
  elsif request.kind = 'WITHDRAWAL' and request.expected_return_on <= core.today() then
    perform core.raise_error('records.return_date_past', jsonb_build_object('expected_return_on', request.expected_return_on));
  elsif request.kind = 'TRANSFER' and request.target_unit_id is not distinct from request.unit_id then
    perform core.raise_error('records.target_is_its_own_unit');
  elsif request.kind = 'TRANSFER' then
    perform records.check_unit(request.target_unit_id);
  end if;
end
$$;

comment on function records.check_wishes(records.request) is
  'Raises records.purpose_missing, return_date_missing, return_date_past, target_is_its_own_unit (422) and those of '
  'records.check_unit.';
