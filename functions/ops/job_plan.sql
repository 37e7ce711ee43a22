-- Makes the run of a moment of a schedule, and notes the next moment.

create or replace function ops.job_plan(job text, planned_for text, was_due_at timestamptz, next_due_at timestamptz)
returns boolean
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- Whoever comes second finds another moment noted and does nothing.
  update ops.job as j
  set planned_for = job_plan.planned_for, next_due_at = job_plan.next_due_at
  where j.name = job_plan.job
    and not j.is_paused
    and case
      when job_plan.was_due_at is null then j.planned_for is distinct from job_plan.planned_for
      else j.planned_for = job_plan.planned_for and j.next_due_at = job_plan.was_due_at
    end;
  if not found or job_plan.was_due_at is null then
    return false;
  end if;
  insert into ops.job_run (job, due_at, is_scheduled)
  values (job_plan.job, job_plan.was_due_at, true)
  on conflict do nothing;
  return found;
end
$$;

comment on function ops.job_plan(text, text, timestamptz, timestamptz) is
  'Note when a job is due next and, when a moment came (was_due_at), make its run; returns whether there is a new one. '
  'Moments that were missed meanwhile are one run: the worker gives the first of them, and the next one from now.';

grant execute on function ops.job_plan(text, text, timestamptz, timestamptz) to worker;
