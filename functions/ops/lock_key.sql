-- Names of the locks that a worker's session holds on what it works at.

create or replace function ops.lock_key(kind text, id uuid)
returns bigint
language sql
immutable
parallel safe
return hashtextextended(lock_key.kind || ' ' || lock_key.id, 0);

comment on function ops.lock_key(text, uuid) is
  'The advisory lock on a piece of work. It is held by the session, so that the death of a worker frees it at once.';

grant execute on function ops.lock_key(text, uuid) to worker, migrator;

create or replace function ops.end_lock_holder(key bigint)
returns boolean
language sql
volatile
parallel unsafe
return (
  select bool_or(pg_terminate_backend(l.pid))
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_database as d on d.oid = l.database
  where l.locktype = 'advisory'
    and l.objsubid = 1
    and l.granted
    and d.datname = current_database()
    and l.classid::bigint = (end_lock_holder.key >> 32) & 4294967295
    and l.objid::bigint = end_lock_holder.key & 4294967295
    and l.pid <> pg_backend_pid()
);

comment on function ops.end_lock_holder(bigint) is
  'End the session that holds an advisory lock; true when there was one. What it had not committed is undone.';

grant execute on function ops.end_lock_holder(bigint) to worker;
