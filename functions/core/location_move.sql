-- Moves a place with all that lies below it.

-- Definer: members may not write parent_id and path by themselves.
create or replace function api.location_move(id uuid, parent_id uuid, version integer default null)
returns api.locations
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row api.locations;
begin
  perform core.require_permission('core.location.move');
  perform core.lock_tree('core.location', core.org_id(), true);
  update core.location as t
  set
    parent_id = location_move.parent_id,
    version = coalesce(location_move.version, t.version)
  where t.org_id = core.org_id() and t.id = location_move.id;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'place', 'id', location_move.id));
  end if;
  select * into v_row from api.locations as v where v.org_id = core.org_id() and v.id = location_move.id;
  return v_row;
end
$$;

comment on function api.location_move(uuid, uuid, integer) is
  E'Move a place with all that lies below it\n'
  'parent_id: the new parent, null to make it a root. version: the version that was read, to refuse a lost update. '
  'Returns the moved row. Errors: core.permission_missing (403), core.not_found (404), 409 for an unknown parent or '
  'a code that is taken there, core.stale_version (412), core.tree_cycle (422), core.parent_inactive (422).';

grant execute on function api.location_move(uuid, uuid, integer) to member, superadmin;
