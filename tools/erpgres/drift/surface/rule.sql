-- Rewrite rules, but for those that views are made of.
select
  format('%s.%I', r.ev_class::regclass, r.rulename) as identity,
  case when c.relkind in ('v', 'm') then 'view ' else 'table ' end || r.ev_class::regclass::text as part_of,
  jsonb_build_object(
    'definition', pg_get_ruledef(r.oid),
    'enabled', case r.ev_enabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'on a replica' else 'always' end,
    '_create', pg_get_ruledef(r.oid),
    '_drop', format('drop rule %I on %s', r.rulename, r.ev_class::regclass)
  ) as properties
from pg_rewrite as r
join pg_class as c on c.oid = r.ev_class
join ours on ours.oid = c.relnamespace
where r.rulename <> '_RETURN'
  and not exists (select from extension_member as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
