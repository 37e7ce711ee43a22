-- a role has one permissive policy for a command
-- Permissive policies of the same role and command are joined by OR: each row is asked both, and who reads one of them does
-- not know what is shown. A policy for all commands counts for each of them. The owner, whose functions each need another,
-- is left out.
select
  'policy_single' as rule,
  x.polrelid::regclass::text as object,
  r.rolname || ' has ' || count(*) || ' permissive policies for ' || x.command || ': '
  || string_agg(x.polname, ', ' order by x.polname) as detail,
  'join them into one' as hint
from (
  select
    p.polrelid,
    p.polname,
    o.oid as role,
    c.command
  from pg_policy as p
  inner join pg_class as t on t.oid = p.polrelid
  inner join pg_namespace as n on n.oid = t.relnamespace
  cross join unnest(p.polroles) as o (oid)
  inner join (
    values
      ('r', 'select'),
      ('a', 'insert'),
      ('w', 'update'),
      ('d', 'delete')
  ) as c (letter, command) on p.polcmd = '*' or p.polcmd::text = c.letter
  where n.nspowner = 'owner'::regrole
    and p.polpermissive
    and o.oid <> 'owner'::regrole
) as x
inner join pg_roles as r on r.oid = x.role
group by x.polrelid, r.rolname, x.command
having count(*) > 1;
