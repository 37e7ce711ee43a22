-- The database: who may connect, what everybody loses, and the settings every session starts with. Idempotent.

do $$
begin
  execute format('revoke all on database %I from public', current_database());
  execute format(
    'grant connect on database %I to authenticator, migrator, analyst, relay, worker, monitor', current_database()
  );
  execute format('alter database %I set timezone = %L', current_database(), 'UTC');
  execute format('alter database %I set default_transaction_isolation = %L', current_database(), 'read committed');
  execute format('alter database %I set search_path = %L', current_database(), 'public');
end
$$;

revoke all on schema public from public;
-- owner is named too: in a clone or a restored database it need not own the database, which would give it the right.
grant usage on schema public
to owner, anon, partner, member, superadmin, analyst, relay, worker, monitor, migrator;

-- Extensions live in public and belong to the owner; all of these may be created by the owner of a database.
set role owner;
create extension if not exists btree_gin schema public;
create extension if not exists btree_gist schema public;
create extension if not exists ltree schema public;
create extension if not exists pg_trgm schema public;
create extension if not exists pgcrypto schema public;
create extension if not exists unaccent schema public;

-- Without "in schema": the form with it does not take anything away.
alter default privileges for role owner revoke execute on functions from public;
reset role;
