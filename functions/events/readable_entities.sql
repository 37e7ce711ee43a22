-- Who sees which events: whoever may read the columns that they hold, and has the permission that the registry asks for.

create or replace function events.readable_entities()
returns text[]
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Analysts hold no permissions: they see what everybody sees who may select the table.
  v_holds boolean := pg_has_role('member', 'usage') or pg_has_role('partner', 'usage') or pg_has_role('superadmin', 'usage');
begin
  return coalesce(
    (
      select array_agg(e.entity order by e.entity)
      from core.event_entity as e
      where case
          when e.table_name is null then true
          -- Asked about a table in a schema that the caller may not use, has_table_privilege raises.
          when not has_schema_privilege(split_part(e.table_name, '.', 1), 'usage') then false
          when has_table_privilege(e.table_name, 'select') then true
          else (
            select bool_and(has_column_privilege(e.table_name, c.name, 'select'))
            from events.recorded_columns(e.entity) as c
          )
        end
        and (
          e.read_permission is null
          or case when v_holds then core.has_permission(e.read_permission) else false end
        )
    ),
    '{}'
  );
end
$$;

comment on function events.readable_entities() is
  'The entities whose events the caller may see in the whole organisation. In policies: (select events.readable_entities()).';

create or replace function events.readable_in_units()
returns text[]
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Others hold no permissions in units, or all of them.
  if current_setting('role') <> 'member' then
    return '{}';
  end if;
  return coalesce(
    (
      select array_agg(e.entity || '/' || u.id order by e.entity, u.id)
      from core.event_entity as e
      join core.org_unit as u on u.org_id = core.org_id()
      where e.read_permission is not null
        and e.unit_column is not null
        and has_table_privilege(e.table_name, 'select')
        and core.has_permission(e.read_permission, u.id)
    ),
    '{}'
  );
end
$$;

comment on function events.readable_in_units() is
  'entity/unit of the events that the caller may see because he holds the permission in that unit or one above it.';

grant execute on function events.readable_entities() to partner, member, superadmin, analyst;
grant execute on function events.readable_in_units() to partner, member, superadmin;
