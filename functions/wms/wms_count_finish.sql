-- Everything on the list was counted.

create or replace function api.wms_count_finish(id uuid, is_partial boolean default false, version integer default null)
returns api.wms_counts
language plpgsql
volatile
parallel unsafe
-- definer: counts are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count wms.count_session;
  v_open integer;
  v_counted integer;
  v_different integer;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.record');
  v_count := wms.lock_count(wms_count_finish.id, wms_count_finish.version, array['COUNTING', 'INVESTIGATING']);

  select
    count(*) filter (where l.counted is null),
    count(l.counted),
    count(*) filter (where l.counted <> e.expected_at_count)
  into v_open, v_counted, v_different
  from wms.count_line as l
  inner join wms.count_expectation as e
    on e.org_id = l.org_id
    and e.line_id = l.id
  where l.org_id = v_count.org_id
    and l.count_id = v_count.id;
  if v_open > 0 and not coalesce(wms_count_finish.is_partial, false) or v_open > 0 and v_counted = 0 then
    perform core.raise_error('wms.count_incomplete', jsonb_build_object('open', v_open));
  end if;

  update wms.count_session as c
  set
    status = 'COUNTED',
    line_count = v_open + v_counted,
    difference_count = v_different,
    counters = array(
      select distinct u.user_id
      from wms.count_line as l
      cross join unnest(l.counters) as u (user_id)
      where l.org_id = v_count.org_id
        and l.count_id = v_count.id
      order by u.user_id
    ),
    counted_at = now(),
    counted_by = core.user_id()
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  -- Who asks for this to be rolled back goes on counting, and must not learn how well he guessed.
  if v_count.is_blind then
    v_row.difference_count := null;
  end if;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_finish(uuid, boolean, integer) is
  'Finish counting
From now on what was expected and the differences are shown; of a blind count in the views, not in this answer. Refused while
lines are not counted (wms.count_incomplete, 422), unless is_partial: they keep what the balance says. Needs wms.count.record.';

grant execute on function api.wms_count_finish(uuid, boolean, integer) to member, superadmin, migrator;
