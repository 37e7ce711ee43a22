-- Whether the database answers, for gateways and monitoring.

-- Definer: anybody may know the number of the last migration, nobody needs to read the table.
create or replace function api.health()
returns jsonb
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_migration bigint;
begin
  if to_regclass('ops.schema_version') is not null then
    select max(v.version) into v_migration from ops.schema_version as v;
  end if;
  return jsonb_build_object('database', 'up', 'migration', v_migration);
end
$$;

comment on function api.health() is
  E'Whether the database answers\n'
  'Returns {"database": "up", "migration": number of the last migration}; needs no token.';

grant execute on function api.health() to anon, partner, member, superadmin;
