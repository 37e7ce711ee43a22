-- no role and no database asks for another isolation than read committed
-- PostgREST 12 repeats a request that fails with SQLSTATE 40001 without end; repeatable read and serializable raise it.
select
  'isolation_setting' as rule,
  coalesce(r.rolname, d.datname, 'everybody')::text as object,
  'is set to ' || i.item as detail,
  'alter role … reset default_transaction_isolation' as hint
from pg_db_role_setting as s
cross join lateral unnest(s.setconfig) as i (item)
left join pg_roles as r on r.oid = s.setrole
left join pg_database as d on d.oid = s.setdatabase
where i.item ~ '^(default_)?transaction_isolation='
  and i.item !~ '=read committed$'
  and (s.setdatabase = 0 or d.datname = current_database())
union all
select
  'isolation_setting' as rule,
  p.oid::regprocedure::text as object,
  'sets ' || i.item as detail,
  'take the SET clause away; lock rows in key order instead' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
cross join lateral unnest(p.proconfig) as i (item)
where n.nspowner = 'owner'::regrole
  and i.item ~ '^(default_)?transaction_isolation=';
