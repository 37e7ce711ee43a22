-- One lock a tree, so that paths and cycles are judged on what is really there.

create or replace function core.lock_tree(tree regclass, org_id uuid, is_exclusive boolean)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_key bigint := hashtextextended(lock_tree.org_id::text, lock_tree.tree::oid::bigint);
begin
  if lock_tree.is_exclusive then
    perform pg_advisory_xact_lock(v_key);
  else
    perform pg_advisory_xact_lock_shared(v_key);
  end if;
end
$$;

comment on function core.lock_tree(regclass, uuid, boolean) is
  'Hold the tree of an organisation until the transaction ends: inserts share it, moves and deactivations have it '
  'alone. A function that moves takes it before it touches a row, so that two moves cannot lock each other out.';

grant execute on function core.lock_tree(regclass, uuid, boolean) to member, superadmin, migrator;
