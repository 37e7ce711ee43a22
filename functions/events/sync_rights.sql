-- What, beside events, decides which rows a device holds.

create or replace function events.sync_rights(schema_version integer, tables text[])
returns text
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select encode(
    sha256(
      convert_to(
        jsonb_build_array(
          current_setting('role'),
          core.partner_id(),
          core.claims() ->> 'api_key',
          core.today(), -- what a policy or a view makes of the day
          sync_rights.schema_version,
          sync_rights.tables,
          (select jsonb_agg(to_jsonb(t) order by t.name) from core.sync_table as t where t.name = any (sync_rights.tables)),
          (
            select jsonb_agg(to_jsonb(c) order by c.table_name, c.name)
            from core.sync_column as c
            where c.table_name = any (sync_rights.tables)
          )
        )::text,
        'UTF8'
      )
    ),
    'hex'
  );
$$;

comment on function events.sync_rights(integer, text[]) is
  'A hash of role, day, tables and their definitions: when it is another one than at the last pull, all rows are compared. '
  'Permissions are not in it: their changes are events.';

grant execute on function events.sync_rights(integer, text[]) to member, partner;
