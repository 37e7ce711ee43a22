-- What monitoring asks about the jobs.

-- Definer: monitoring reads no table.
create or replace function ops.job_status()
returns table (
  job text,
  schedule text,
  is_paused boolean,
  next_due_at timestamptz,
  waiting bigint,
  running bigint,
  dead bigint,
  late_seconds numeric,
  last_state text,
  last_finished_at timestamptz,
  last_seconds numeric,
  last_error text
)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select
    j.name,
    j.schedule,
    j.is_paused,
    j.next_due_at,
    o.waiting,
    o.running,
    (select count(*) from ops.job_run as d where d.job = j.name and d.state = 'DEAD'),
    greatest(
      o.late_seconds,
      case when not j.is_paused then extract(epoch from now() - j.next_due_at) end,
      0
    ),
    l.state,
    l.finished_at,
    extract(epoch from l.finished_at - l.started_at),
    l.error
  from ops.job as j
  cross join lateral (
    select
      count(*) filter (where r.state = 'WAITING') as waiting,
      count(*) filter (where r.state = 'RUNNING') as running,
      extract(epoch from now() - min(r.run_after) filter (where r.state = 'WAITING')) as late_seconds
    from ops.job_run as r
    where r.job = j.name and r.state in ('WAITING', 'RUNNING')
  ) as o
  left join lateral (
    select r.state, r.started_at, r.finished_at, r.error
    from ops.job_run as r
    where r.job = j.name and r.finished_at is not null
    order by r.id desc
    limit 1
  ) as l on true
  order by j.name;
end;

comment on function ops.job_status() is
  'Each job: when it is due, how many of its runs wait, run and are dead, by how much the oldest is late (alarm: minutes '
  'mean that no worker works), and how the last one ended';

grant execute on function ops.job_status() to monitor, migrator, worker;
