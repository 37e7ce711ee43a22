-- Runs of jobs. Of no organisation, hence no row level security; parameters and errors are shown to operators only.

grant select, insert, update, delete on ops.job_run to worker, migrator;

-- nothing for anybody else: monitoring calls ops.job_status()
