-- Gives a worker the next run.

create or replace function ops.job_claim(worker text)
returns setof ops.job_run
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_id uuid;
  v_is_late boolean;
  v_run ops.job_run;
  v_job ops.job;
begin
  for v_id, v_is_late in
    select r.id, r.state = 'RUNNING' and r.leased_until < clock_timestamp()
    from ops.job_run as r
    where r.state in ('WAITING', 'RUNNING') and r.run_after <= clock_timestamp()
    order by r.run_after, r.id
  loop
    -- Held by the session that runs it, and free as soon as that has gone.
    if not pg_try_advisory_lock(ops.lock_key('job_run', v_id)) then
      if v_is_late then
        perform ops.end_lock_holder(ops.lock_key('job_run', v_id));
      end if;
      continue;
    end if;
    select *
    into v_run
    from ops.job_run as r
    where r.id = v_id and r.state in ('WAITING', 'RUNNING') and r.run_after <= clock_timestamp()
    for update skip locked;
    if not found then
      perform pg_advisory_unlock(ops.lock_key('job_run', v_id));
      continue;
    end if;
    select * into strict v_job from ops.job as j where j.name = v_run.job;
    if v_run.attempts >= v_job.max_attempts then
      update ops.job_run as r
      set state = 'DEAD', finished_at = clock_timestamp(), error = 'the worker ended in the middle of the last attempt'
      where r.id = v_id;
      perform pg_advisory_unlock(ops.lock_key('job_run', v_id));
      continue;
    end if;
    return query
      update ops.job_run as r
      set
        state = 'RUNNING', attempts = r.attempts + 1, worker = job_claim.worker, started_at = clock_timestamp(),
        leased_until = clock_timestamp() + make_interval(secs => v_job.timeout_seconds + 60)
      where r.id = v_id
      returning r.*;
    return;
  end loop;
end
$$;

comment on function ops.job_claim(text) is
  'Take the run that has waited longest, for this session, or one whose worker has gone; no row: there is none. The '
  'session holds an advisory lock on it until it gives it back (job_done, job_failed) or ends. A session that still holds '
  'a run after the lease is ended, which undoes what it had not committed.';

grant execute on function ops.job_claim(text) to worker;
