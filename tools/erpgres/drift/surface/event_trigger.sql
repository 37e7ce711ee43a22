-- Event triggers.
select
  quote_ident(t.evtname) as identity,
  null as part_of,
  jsonb_build_object(
    'event', t.evtevent,
    'function', t.evtfoid::regprocedure::text,
    'tags', array(select g from unnest(t.evttags) as g order by 1),
    'enabled', case t.evtenabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'on a replica' else 'always' end,
    '_drop', format('drop event trigger %I', t.evtname)
  ) as properties
from pg_event_trigger as t
where not exists (select from extension_member as e where e.classid = 'pg_event_trigger'::regclass and e.objid = t.oid)
