-- What was taken out comes back, at once or in parts.

create or replace function api.records_withdrawal_return(
  id uuid,
  documents uuid[] default null,
  location_id uuid default null,
  condition_note text default null,
  missing uuid[] default null,
  version integer default null
)
returns api.records_requests
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_crate records.crate;
  v_place uuid;
  v_is_out boolean;
  v_request records.request;
  v_row api.records_requests;
begin
  v_request := records.lock_request(id, version, 'WITHDRAWAL');
  perform core.require_permission('records.withdrawal.return', v_request.unit_id);
  perform records.require_status(v_request, 'ISSUED', 'PARTIALLY_RETURNED');
  v_crate := records.lock_crate(v_request.crate_id);
  if condition_note is not null then
    perform records.note_round(v_request, 'RETURN_NOTE', condition_note);
  end if;
  if exists (
    select
    from unnest(coalesce(documents, '{}') || coalesce(missing, '{}')) as x (id)
    where not exists (select from records.document as d where d.org_id = v_request.org_id and d.id = x.id)
  ) then
    perform core.raise_error('records.document_not_found');
  end if;

  if v_crate.status = 'WITHDRAWN' then
    perform records.lock_place(location_id, v_crate);
  end if;
  v_place := (
    select c.location_id
    from records.custody as c
    where c.org_id = v_crate.org_id
      and c.crate_id = v_crate.id
      and c.location_id is not null
    order by lower(c.during) desc
    limit 1
  );
  -- What does not fit is taken all the same, and noted.
  insert into records.return_exception (org_id, request_id, document_id, kind, note)
  select v_request.org_id, v_request.id, null, 'OTHER_PLACE', records.place_name(records_withdrawal_return.location_id)
  where records_withdrawal_return.location_id <> v_place
  union all
  select
    v_request.org_id,
    v_request.id,
    x.id,
    case
      when not x.is_back then 'MISSING'
      when d.returned_at is not null then 'ALREADY_RETURNED'
      else 'UNEXPECTED'
    end,
    nullif(btrim(condition_note), '')
  from (
    select distinct b.id, true as is_back
    from unnest(records_withdrawal_return.documents) as b (id)
    union all
    select distinct b.id, false as is_back
    from unnest(records_withdrawal_return.missing) as b (id)
  ) as x
  left join records.request_document as d
    on d.org_id = v_request.org_id
    and d.request_id = v_request.id
    and d.document_id = x.id
  where not x.is_back
    or d.id is null
    or d.returned_at is not null;

  update records.request_document as d
  set missing_at = now()
  where d.org_id = v_request.org_id
    and d.request_id = v_request.id
    and d.document_id = any (records_withdrawal_return.missing)
    and d.returned_at is null
    and d.missing_at is null;
  -- One that was missing may turn up.
  update records.request_document as d
  set
    returned_at = now(),
    returned_by = core.user_id(),
    missing_at = null
  where d.org_id = v_request.org_id
    and d.request_id = v_request.id
    and d.returned_at is null
    and (
      d.document_id = any (records_withdrawal_return.documents)
      or records_withdrawal_return.documents is null and d.missing_at is null
    );

  if v_crate.status = 'WITHDRAWN' then
    update records.crate as c
    set status = v_request.crate_status
    where c.org_id = v_crate.org_id
      and c.id = v_crate.id;
    perform records.give_custody(v_crate.id, location_id, null, 'RETURNED', v_request.id, condition_note);
  end if;
  v_is_out := exists (
    select
    from records.request_document as d
    where d.org_id = v_request.org_id
      and d.request_id = v_request.id
      and d.returned_at is null
      and d.missing_at is null
  );
  update records.request as r
  set
    status = case when v_is_out then 'PARTIALLY_RETURNED' else 'RETURNED' end,
    returned_by = case when not v_is_out then core.user_id() end,
    returned_at = case when not v_is_out then now() end
  where r.org_id = v_request.org_id
    and r.id = v_request.id;
  select v.* into v_row from api.records_requests as v where v.org_id = v_request.org_id and v.id = v_request.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_withdrawal_return(uuid, uuid[], uuid, text, uuid[], integer) is
  'Take back what was withdrawn
documents: ids of those that came; left out, all that are out. location_id: where the crate is put, needed when it was out
itself, with the refusals of records_storage_allocate. missing: ids of documents that will not come. The withdrawal is RETURNED
when none is out, PARTIALLY_RETURNED before. What does not fit (a document of no or another request, one that came before, a
crate in another place) is not refused but kept in records_return_exceptions. condition_note: ten characters or more. Needs
records.withdrawal.return in the unit.';

grant execute on function api.records_withdrawal_return(uuid, uuid[], uuid, text, uuid[], integer) to member, superadmin, migrator;
