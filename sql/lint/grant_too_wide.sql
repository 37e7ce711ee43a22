-- nobody may truncate, hang triggers on, refer to or maintain a table, or pass a right on
-- TRUNCATE passes by row-level security; REFERENCES tells whether a row exists; a trigger runs as whoever writes.
select
  'grant_too_wide' as rule,
  c.oid::regclass::text as object,
  g.grantee::regrole::text || ' may ' || lower(g.privilege_type)
  || case when g.is_grantable then ' and pass it on' else '' end as detail,
  'grant select, insert, update, delete, without grant option' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as g
where n.nspowner = 'owner'::regrole
  and g.grantee not in (0, c.relowner)
  and (g.is_grantable or g.privilege_type in ('TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN'));
