-- Removes what jobs leave behind.

create or replace function ops.purge_job_runs()
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_runs bigint;
begin
  delete from ops.job_run as r
  where (r.state = 'DONE' and r.finished_at < now() - interval '14 days')
    or (r.state = 'DEAD' and r.finished_at < now() - interval '90 days');
  get diagnostics v_runs = row_count;
  return v_runs;
end
$$;

comment on function ops.purge_job_runs() is
  'Delete runs that succeeded 14 days ago and dead ones after 90 days; returns how many';

grant execute on function ops.purge_job_runs() to worker, migrator;
