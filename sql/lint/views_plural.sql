-- a view of the API is called by a plural, a table by a singular
select
  'views_plural' as rule,
  c.oid::regclass::text as object,
  case when n.nspname = 'api' then 'is a view, and no plural' else 'is a table, and a plural' end as detail,
  'api.partners shows core.partner' as hint
from pg_class as c
inner join pg_namespace as n on n.oid = c.relnamespace
where n.nspowner = 'owner'::regrole
  and not c.relispartition
  and (
    (n.nspname = 'api' and c.relkind = 'v' and c.relname !~ 's$')
    or (
      n.nspname not in ('api', 'analytics') and c.relkind in ('r', 'p')
      and c.relname ~ '[^s]s$' and c.relname !~ '(us|is|status|address|series)$'
    )
  );
