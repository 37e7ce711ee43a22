-- Settings and timeouts of our roles, everywhere or in this database.
select
  format('%I%s: %s', pg_get_userbyid(d.setrole), case when d.setdatabase <> 0 then ' in the database' else '' end,
    split_part(s, '=', 1)) as identity,
  'role ' || quote_ident(pg_get_userbyid(d.setrole)) as part_of,
  jsonb_build_object(
    'value', substr(s, strpos(s, '=') + 1),
    '_create', format('alter role %I%s set %s = %L', pg_get_userbyid(d.setrole),
      case when d.setdatabase <> 0 then format(' in database %I', current_database()) else '' end,
      split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)),
    '_drop', format('alter role %I%s reset %s', pg_get_userbyid(d.setrole),
      case when d.setdatabase <> 0 then format(' in database %I', current_database()) else '' end, split_part(s, '=', 1))
  ) as properties
from pg_db_role_setting as d
cross join unnest(d.setconfig) as s
where pg_get_userbyid(d.setrole) = any (current_setting('drift.roles')::text[])
  and d.setdatabase in (0, (select b.oid from pg_database as b where b.datname = current_database()))
