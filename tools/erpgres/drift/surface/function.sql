-- Functions, procedures and aggregates.
select
  p.oid::regprocedure::text as identity,
  'schema ' || quote_ident(ours.nspname) as part_of,
  jsonb_build_object(
    'kind', case p.prokind when 'f' then 'function' when 'p' then 'procedure' when 'a' then 'aggregate' else 'window' end,
    'owner', pg_get_userbyid(p.proowner),
    'language', (select l.lanname from pg_language as l where l.oid = p.prolang),
    'arguments', pg_get_function_arguments(p.oid),
    'result', pg_get_function_result(p.oid),
    'body', coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
    'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    'parallel', case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
    'security', case when p.prosecdef then 'definer' else 'invoker' end,
    'configuration', array(select s from unnest(p.proconfig) as s order by 1),
    'strict', p.proisstrict,
    'leakproof', p.proleakproof,
    'cost', p.procost,
    'rows', p.prorows,
    'support', nullif(p.prosupport, 0)::regprocedure::text,
    'aggregate', (
      select to_jsonb(a) - '{aggfnoid,aggtranstype,aggmtranstype}'::text[] from pg_aggregate as a where a.aggfnoid = p.oid
    ),
    'comment', obj_description(p.oid, 'pg_proc'),
    'grants', array(
      select format('%s: %s%s', case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end,
        lower(a.privilege_type), case when a.is_grantable then ' with grant option' else '' end)
      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      order by 1
    ),
    '_create', case when p.prokind <> 'a' then pg_get_functiondef(p.oid) end,
    '_drop', format('drop routine %s', p.oid::regprocedure)
  ) as properties
from pg_proc as p
join ours on ours.oid = p.pronamespace
where not exists (select from extension_member as e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
