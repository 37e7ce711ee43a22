-- domain: ops
-- why: work that no request does: jobs by schedule or on request, each run once, tried again, and kept with its outcome
-- locks: none (new objects)
-- breaking: no

create table ops.job (
  name text constraint job_pkey primary key,
  runner text not null,
  target text not null,
  schedule text,
  time_zone text not null default 'UTC',
  timeout_seconds integer not null default 300,
  max_attempts smallint not null default 5,
  retry_seconds integer not null default 60,
  description text not null,
  is_paused boolean not null default false,
  planned_for text,
  next_due_at timestamptz,
  constraint name_is_plain check (name ~ '^[a-z][a-z0-9_.]{0,62}$'),
  constraint runner_known check (runner in ('SQL', 'PYTHON')),
  constraint target_is_a_name check (
    target ~ case runner when 'SQL' then '^[a-z_]+\.[a-z_0-9]+$' else '^[a-z_0-9]+$' end
  ),
  constraint schedule_has_five_fields check (schedule ~ '^\S+( \S+){4}$'),
  constraint timeout_in_range check (timeout_seconds between 1 and 86400),
  constraint max_attempts_in_range check (max_attempts between 1 and 100),
  constraint retry_seconds_in_range check (retry_seconds between 1 and 86400)
);

comment on table ops.job is
  'What can be run: a function of the database, or a module of the tools. Rows come from sql/reference; is_paused is the '
  'operator''s, the last two columns are the worker''s.';
comment on column ops.job.target is
  'SQL: schema.function that needs no argument, or takes one of type jsonb; PYTHON: module of erpgres.jobs.tasks';
comment on column ops.job.schedule is 'Five fields as cron has them; null: on request only';
comment on column ops.job.retry_seconds is 'Pause before the second attempt; it doubles with each one, up to an hour';
comment on column ops.job.planned_for is 'Schedule and time zone that next_due_at was reckoned with';

create table ops.job_run (
  id uuid constraint job_run_pkey primary key default uuidv7(),
  job text not null,
  parameters jsonb not null default '{}',
  due_at timestamptz not null default now(),
  is_scheduled boolean not null default false,
  state text not null default 'WAITING',
  run_after timestamptz not null default now(),
  attempts smallint not null default 0,
  worker text,
  started_at timestamptz,
  leased_until timestamptz,
  finished_at timestamptz,
  result jsonb,
  error text,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint job_exists foreign key (job) references ops.job (name) on delete cascade,
  constraint state_known check (state in ('WAITING', 'RUNNING', 'DONE', 'DEAD')),
  constraint running_is_leased check (state <> 'RUNNING' or (leased_until is not null and worker is not null)),
  constraint finished_when_over check ((finished_at is null) = (state in ('WAITING', 'RUNNING'))),
  constraint parameters_are_an_object check (jsonb_typeof(parameters) = 'object')
);

comment on table ops.job_run is 'Runs of jobs: waiting, running, done, or dead after the last attempt';
comment on column ops.job_run.due_at is 'When it should have run; of a schedule each moment runs once';
comment on column ops.job_run.run_after is 'Not before: due_at, or the end of the pause after a failure';
comment on column ops.job_run.leased_until is 'A worker that has not finished by then is cut off and the run taken up again';

-- A moment of a schedule is one run, whoever plans it.
create unique index job_run_scheduled_once on ops.job_run (job, due_at) where is_scheduled;
create index job_run_open_idx on ops.job_run (run_after, id) where state in ('WAITING', 'RUNNING');
create index job_run_job_idx on ops.job_run (job, id);
create index job_run_finished_at_idx on ops.job_run (finished_at);
