-- domain: ops
-- why: before a migration a DBA marks the moment he could go back to, and asks later what going back would cost
-- locks: none (new objects)
-- breaking: no

create table ops.undo_point (
  id uuid constraint undo_point_pkey primary key default uuidv7(),
  name text not null,
  made_at timestamptz not null default clock_timestamp(),
  made_by text not null default session_user,
  lsn pg_lsn not null,
  timeline integer not null,
  is_restore_point boolean not null,
  next_xid xid8 not null,
  schema_version bigint not null,
  note text,
  constraint undo_point_name_unique unique (name),
  constraint name_is_plain check (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
  constraint timeline_counts_from_one check (timeline > 0),
  constraint note_not_blank check (btrim(note) <> '')
);

comment on table ops.undo_point is
  'Moments that a restored backup can be brought to, marked before migrations by erpgres migrate undo-point.';
comment on column ops.undo_point.name is 'What recovery_target_name takes, if it is a restore point';
comment on column ops.undo_point.made_by is 'Session user';
comment on column ops.undo_point.lsn is 'Where in the write-ahead log: what recovery_target_lsn takes';
comment on column ops.undo_point.timeline is 'Timeline of the write-ahead log';
comment on column ops.undo_point.is_restore_point is
  'Whether the log itself holds the name; that takes a right that not everybody has';
comment on column ops.undo_point.next_xid is 'No transaction from here on is part of what is restored';
comment on column ops.undo_point.schema_version is 'Newest migration at that moment';
