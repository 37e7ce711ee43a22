-- The database as a whole; its name, owner and locale are its administrator's choice.
select
  'database' as identity,
  null as part_of,
  jsonb_build_object(
    'encoding', pg_encoding_to_char(d.encoding),
    'connection limit', d.datconnlimit,
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
      where a.grantee <> d.datdba
        and (a.grantee = 0 or pg_get_userbyid(a.grantee) = any (current_setting('drift.roles')::text[]))
        and pg_get_userbyid(a.grantee) <> 'owner'
      order by 1
    ),
    '_name', quote_ident(d.datname)
  ) as properties
from pg_database as d
where d.datname = current_database()
