-- The roles that the repository makes; passwords are nobody's to read.
select
  quote_ident(r.rolname) as identity,
  null as part_of,
  jsonb_build_object(
    'login', r.rolcanlogin,
    'inherit', r.rolinherit,
    'superuser', r.rolsuper,
    'createdb', r.rolcreatedb,
    'createrole', r.rolcreaterole,
    'replication', r.rolreplication,
    'bypassrls', r.rolbypassrls,
    'connection limit', r.rolconnlimit,
    'valid until', nullif(r.rolvaliduntil, 'infinity'),
    'comment', shobj_description(r.oid, 'pg_authid')
  ) as properties
from pg_roles as r
where r.rolname = any (current_setting('drift.roles')::text[])
