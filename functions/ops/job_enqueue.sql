-- Asks for a run of a job.

create or replace function ops.job_enqueue(job text, parameters jsonb default '{}', run_after timestamptz default now())
returns uuid
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_id uuid;
begin
  insert into ops.job_run (job, parameters, due_at, run_after)
  values (job_enqueue.job, job_enqueue.parameters, job_enqueue.run_after, job_enqueue.run_after)
  returning id into v_id;
  return v_id;
end
$$;

comment on function ops.job_enqueue(text, jsonb, timestamptz) is
  'Let a worker run a job, with these parameters, not before a moment; returns the id of the run. It happens only if the '
  'transaction commits. For functions and tools, not for API roles.';

grant execute on function ops.job_enqueue(text, jsonb, timestamptz) to worker, migrator;
