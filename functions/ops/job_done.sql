-- How a run ended.

-- lint: allow error_by_code: it undoes the transaction of a worker that lost its run; no client calls it
create or replace function ops.job_done(id uuid, attempt smallint, result jsonb default null)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update ops.job_run as r
  set state = 'DONE', finished_at = clock_timestamp(), result = job_done.result, error = null, leased_until = null
  where r.id = job_done.id and r.attempts = job_done.attempt and r.state = 'RUNNING';
  if not found then
    raise exception 'run % is no longer attempt % of this worker', job_done.id, job_done.attempt;
  end if;
end
$$;

comment on function ops.job_done(uuid, smallint, jsonb) is
  'Note that a run succeeded. In the transaction of its work, when that is one: then both happen or neither does. Raises '
  'when another worker has taken the run up meanwhile.';

grant execute on function ops.job_done(uuid, smallint, jsonb) to worker;

create or replace function ops.job_failed(id uuid, attempt smallint, error text)
returns text
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_state text;
begin
  update ops.job_run as r
  set
    state = case when r.attempts < j.max_attempts then 'WAITING' else 'DEAD' end,
    finished_at = case when r.attempts < j.max_attempts then null else clock_timestamp() end,
    run_after = clock_timestamp()
      + make_interval(secs => least(j.retry_seconds * 2 ^ (r.attempts - 1), greatest(3600, j.retry_seconds)))
      * (0.9 + random() / 5),
    error = left(job_failed.error, 2000),
    leased_until = null
  from ops.job as j
  where r.id = job_failed.id and r.attempts = job_failed.attempt and r.state = 'RUNNING' and j.name = r.job
  returning r.state into v_state;
  return v_state;
end
$$;

comment on function ops.job_failed(uuid, smallint, text) is
  'Note why a run failed; returns WAITING when it is tried again after a pause (which doubles, give or take a tenth), DEAD '
  'when that was the last attempt, null when another worker has taken it up meanwhile';

grant execute on function ops.job_failed(uuid, smallint, text) to worker;

create or replace function ops.job_retry(id uuid)
returns boolean
language plpgsql
volatile
parallel unsafe
as $$
begin
  update ops.job_run as r
  set state = 'WAITING', finished_at = null, attempts = 0, run_after = clock_timestamp()
  where r.id = job_retry.id and r.state = 'DEAD';
  return found;
end
$$;

comment on function ops.job_retry(uuid) is 'Try a dead run again, with all its attempts; false when it is not dead';

grant execute on function ops.job_retry(uuid) to migrator;
