-- Settings of the database.
select
  split_part(s, '=', 1) as identity,
  null as part_of,
  jsonb_build_object(
    'value', substr(s, strpos(s, '=') + 1),
    '_create', format('alter database %I set %s = %L', current_database(), split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)),
    '_drop', format('alter database %I reset %s', current_database(), split_part(s, '=', 1))
  ) as properties
from pg_db_role_setting as d
cross join unnest(d.setconfig) as s
where d.setrole = 0
  and d.setdatabase = (select b.oid from pg_database as b where b.datname = current_database())
