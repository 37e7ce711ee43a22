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
  elsif lock_count.version <> v_count.version then
    perform core.raise_error(
      'core.stale_version',
      jsonb_build_object('table', 'count_session', 'version', lock_count.version, 'current_version', v_count.version)
    );
  elsif v_count.status <> all (lock_count.statuses) then
    perform core.raise_error('wms.count_status', jsonb_build_object('id', lock_count.id, 'status', v_count.status));
  end if;
  return v_count;
end
$$;

comment on function wms.lock_count(uuid, integer, text[]) is
  'Locks a count until the transaction ends and returns it. Raises wms.count_not_found (404), wms.count_status (409: it '
  'has none of these statuses), core.stale_version (412; a null version matches any).';

create or replace function wms.show_count_line(line_id uuid)
returns api.wms_count_lines
language plpgsql
stable
parallel safe
as $$
declare
  v_row api.wms_count_lines;
  v_is_hidden boolean;
begin
  select l.* into v_row from api.wms_count_lines as l where l.org_id = core.org_id() and l.id = line_id;
  v_is_hidden := (
    select c.is_blind and c.status not in ('COUNTED', 'POSTED')
    from wms.count_session as c
    where c.org_id = v_row.org_id
      and c.id = v_row.count_id
  );
  -- The functions that answer with a line run as owner, whom the policy of wms.count_expectation does not hold back.
  if v_is_hidden then
    v_row.expected := null;
    v_row.moved := null;
    v_row.expected_at_count := null;
    v_row.difference := null;
  end if;
  return v_row;
end
$$;

comment on function wms.show_count_line(uuid) is
  'A line of a count as its counter may see it: without what is expected while a blind count goes on.';
