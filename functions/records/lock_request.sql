-- The first step of everything that is done to a request.

create or replace function records.lock_request(id uuid, version integer, kind text default null)
returns records.request
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_request records.request;
  v_units uuid[] := records.all_permitted_units('records.request.read');
begin
  select r.*
  into v_request
  from records.request as r
  where r.org_id = core.org_id()
    and r.id = lock_request.id
    and (
      r.unit_id = any (v_units)
      or r.target_unit_id = any (v_units)
      or exists (
        select
        from records.crate as c
        where c.org_id = r.org_id
          and c.id = r.crate_id
          and c.is_for_central
          and records.is_in_central()
      )
    )
  for no key update;

  if not found then
    perform core.raise_error('records.request_not_found', jsonb_build_object('id', id));
  elsif v_request.kind <> lock_request.kind then
    perform core.raise_error(
      'records.request_of_another_kind',
      jsonb_build_object('id', id, 'number', v_request.request_no, 'kind', v_request.kind, 'wanted', lock_request.kind)
    );
  end if;
  perform core.check_version('request', version, v_request.version);
  return v_request;
end
$$;

comment on function records.lock_request(uuid, integer, text) is
  'Locks a request until the transaction ends and returns it. Raises records.request_not_found (404, also when the caller '
  'does not see it), records.request_of_another_kind (409), core.stale_version (412; a null version matches any).';

create or replace function records.require_status(request records.request, variadic statuses text[])
returns void
language plpgsql
immutable
parallel safe
as $$
begin
  if request.status <> all (statuses) then
    perform core.raise_error(
      'records.request_in_another_state',
      jsonb_build_object('id', request.id, 'number', request.request_no, 'status', request.status, 'wanted', array_to_string(statuses, ', '))
    );
  end if;
end
$$;

comment on function records.require_status(records.request, text[]) is
  'Raises records.request_in_another_state (409) unless the request has one of the states.';
