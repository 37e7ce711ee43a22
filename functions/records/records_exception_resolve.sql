-- Somebody looked into what did not fit.

create or replace function api.records_exception_resolve(
  id uuid,
  resolution text
)
returns api.records_return_exceptions
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_exception records.return_exception;
  v_request records.request;
  v_row api.records_return_exceptions;
begin
  select e.* into v_exception
  from records.return_exception as e
  where e.org_id = core.org_id()
    and e.id = records_exception_resolve.id
  for no key update;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'exception', 'id', id));
  end if;
  v_request := records.lock_request(v_exception.request_id, null);
  perform core.require_permission('records.exception.resolve', v_request.unit_id);
  if v_exception.resolved_at is not null then
    perform core.raise_error('records.exception_resolved', jsonb_build_object('id', id));
  elsif coalesce(btrim(resolution), '') = '' then
    perform core.raise_error('core.reason_missing', '{"entity": "records.return_exception", "action": "resolve"}');
  end if;
  update records.return_exception as e
  set
    resolution = btrim(records_exception_resolve.resolution),
    resolved_at = now(),
    resolved_by = core.user_id()
  where e.org_id = v_exception.org_id
    and e.id = v_exception.id;
  select v.* into v_row from api.records_return_exceptions as v where v.org_id = v_exception.org_id and v.id = v_exception.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_exception_resolve(uuid, text) is
  'Say how an exception of a return was settled
Needs records.exception.resolve in the unit of the withdrawal.';

grant execute on function api.records_exception_resolve(uuid, text) to member, superadmin, migrator;
