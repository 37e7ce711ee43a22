-- a trigger function is called tg_<table>__<task>
-- <table> is a table, or what several tables have in common (row, tree, view).
select
  'trigger_function_named' as rule,
  p.oid::regprocedure::text as object,
  case
    when p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) then 'is a trigger function'
    else 'is no trigger function'
  end as detail,
  'tg_<table>__<task> is for trigger functions' as hint
from pg_proc as p
inner join pg_namespace as n on n.oid = p.pronamespace
where n.nspowner = 'owner'::regrole
  and (p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype))
  <> (p.proname ~ '^tg_[a-z][a-z0-9_]*?__[a-z][a-z0-9_]*$');
