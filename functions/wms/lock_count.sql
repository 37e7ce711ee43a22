-- The first step of everything that is done to a count.

create or replace function wms.lock_count(id uuid, version integer, statuses text[])
returns wms.count_session
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_count wms.count_session;
begin
  select c.*
  into v_count
  from wms.count_session as c
  where c.org_id = core.org_id()
    and c.id = lock_count.id
  for no key update;

  if not found then
    perform core.raise_error('wms.count_not_found', jsonb_build_object('id', lock_count.id));
  end if;
  perform core.check_version('count_session', lock_count.version, v_count.version);
  if v_count.status <> all (lock_count.statuses) then
    perform core.raise_error('wms.count_status', jsonb_build_object('id', lock_count.id, 'status', v_count.status));
  end if;
  return v_count;
end
$$;

comment on function wms.lock_count(uuid, integer, text[]) is
  'Locks a count until the transaction ends and returns it. Raises wms.count_not_found (404), wms.count_status (409: it '
  'has none of these statuses), core.stale_version (412; a null version matches any).';
