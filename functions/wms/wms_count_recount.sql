-- Differences that nobody believes are counted again.

create or replace function api.wms_count_recount(id uuid, lines uuid[] default null, version integer default null)
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
  v_again uuid[];
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.plan');
  v_count := wms.lock_count(wms_count_recount.id, wms_count_recount.version, array['COUNTED']);

  v_again := array(
    select l.id
    from wms.count_line as l
    inner join wms.count_expectation as e
      on e.org_id = l.org_id
      and e.line_id = l.id
    where l.org_id = v_count.org_id
      and l.count_id = v_count.id
      and case
        when wms_count_recount.lines is null then l.counted <> e.expected_at_count
        else l.id = any (wms_count_recount.lines)
      end
    order by l.id
  );
  if cardinality(v_again) = 0 or cardinality(v_again) < cardinality(wms_count_recount.lines) then
    perform core.raise_error('wms.count_nothing_to_recount', jsonb_build_object('id', v_count.id));
  end if;

  update wms.count_line as l
  set
    counted = null,
    counted_at = null,
    counted_by = null,
    count_index = v_count.count_index + 1
  where l.org_id = v_count.org_id
    and l.id = any (v_again);
  update wms.count_expectation as e
  set
    expected_at_count = null,
    count_mark = null
  where e.org_id = v_count.org_id
    and e.line_id = any (v_again);

  update wms.count_session as c
  set
    status = 'INVESTIGATING',
    count_index = v_count.count_index + 1
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_recount(uuid, uuid[], integer) is
  'Have lines of a count counted again
Those of lines (ids), else all that differ. What was counted before stays in the history of the line. A blind count hides
what is expected again until it is finished. Needs wms.count.plan.';

grant execute on function api.wms_count_recount(uuid, uuid[], integer) to member, superadmin, migrator;
