-- no function may be executed by everybody
-- Default privileges take the right away; a function that has it was made by another role, or was granted to public.
select
  'execute_for_everybody' as rule,
  p.oid::regproc::text as object,
  'PUBLIC may execute it' as detail,
  'grant execute to the roles that call it' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where n.nspowner = 'owner'::regrole
  and (p.proacl is null or exists (select from aclexplode(p.proacl) as g where g.grantee = 0));
