-- Whether somebody holds up the feed, for monitoring.

-- Who holds the horizon is shown to who may see what others do (pg_monitor); how long events have waited to everybody.
create or replace function events.feed_health()
returns table (
  horizon xid8,
  lag_seconds numeric,
  is_stalled boolean,
  is_ahead boolean,
  waiting_events bigint,
  holder text,
  held_seconds numeric
)
language plpgsql
stable
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_limit numeric := (core.installation_setting('events.stalled_after_seconds') #>> '{}')::numeric;
begin
  horizon := pg_snapshot_xmin(pg_current_snapshot());
  select
    'process ' || a.pid || ' of ' || a.usename || ' (' || coalesce(nullif(a.application_name, ''), 'no name') || '), '
    || coalesce(a.state, 'working') || ', since ' || to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    round(extract(epoch from clock_timestamp() - a.xact_start)::numeric, 3)
  into holder, held_seconds
  from pg_stat_activity as a
  where a.backend_xid is not null and a.pid <> pg_backend_pid()
  order by age(a.backend_xid) desc
  limit 1;
  if exists (select from pg_prepared_xacts as p where holder is null or age(p.transaction) > 0) then
    select coalesce(holder, 'prepared transaction ' || p.gid || ' of ' || p.owner),
      greatest(held_seconds, round(extract(epoch from clock_timestamp() - p.prepared)::numeric, 3))
    into holder, held_seconds
    from pg_prepared_xacts as p
    order by p.prepared
    limit 1;
  end if;
  select count(*), round(coalesce(extract(epoch from clock_timestamp() - min(uuid_extract_timestamp(e.id))), 0)::numeric, 3)
  into waiting_events, lag_seconds
  from events.event as e
  where e.xid >= horizon;
  is_ahead := exists (select from events.event as e where e.xid > pg_snapshot_xmax(pg_current_snapshot()));
  lag_seconds := greatest(lag_seconds, 0);
  is_stalled := lag_seconds > v_limit or coalesce(held_seconds, 0) > v_limit;
  return next;
end
$$;

comment on function events.feed_health() is
  'One row: the horizon, how long the oldest event has waited below it (lag_seconds), whether that, or the oldest transaction '
  'that has written, is older than events.stalled_after_seconds (is_stalled), whether there are events of the future, which '
  'means that a logical dump was restored into a younger cluster (is_ahead), and who holds the horizon.';

grant execute on function events.feed_health() to monitor, migrator, worker;
