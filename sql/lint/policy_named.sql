-- a policy is for one role, named after it, and permissive
-- One policy a role and command: who reads it knows for whom it holds, and no OR mixes what two roles may see.
select
  'policy_named' as rule,
  p.polrelid::regclass::text || '.' || p.polname as object,
  'is ' || case when p.polpermissive then '' else 'restrictive, ' end || 'for '
  || array_to_string(array(select coalesce(r.rolname, 'everybody') from unnest(p.polroles) as o (oid)
    left join pg_roles as r on r.oid = o.oid), ', ') as detail,
  'create policy <role>_<command> … to <role>' as hint
from pg_policy as p
inner join pg_class as c on c.oid = p.polrelid
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and (
    not p.polpermissive
    or cardinality(p.polroles) <> 1
    or p.polroles[1] = 0
    or p.polname !~ ('^' || p.polroles[1]::regrole::text || '_')
  );
