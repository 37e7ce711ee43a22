-- no role of ours bypasses row-level security
select
  'bypass_role' as rule,
  r.rolname::text as object,
  case when r.rolsuper then 'is a superuser' else 'has BYPASSRLS' end as detail,
  'alter role … nosuperuser nobypassrls' as hint
from pg_roles as r
where (r.rolsuper or r.rolbypassrls)
  and r.rolname in (
    'owner', 'anon', 'partner', 'member', 'superadmin', 'analyst', 'authenticator', 'migrator', 'relay', 'worker', 'monitor'
  );
