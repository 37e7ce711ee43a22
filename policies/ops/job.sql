-- Jobs. The same for all organisations, hence no row level security.

grant select, update (is_paused, planned_for) on ops.job to migrator;
grant select, update (planned_for, next_due_at) on ops.job to worker;

-- no insert, no delete: the rows come from sql/reference

-- nothing for anybody else: monitoring calls ops.job_status()
