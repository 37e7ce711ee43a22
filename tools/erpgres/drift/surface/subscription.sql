-- Subscriptions of logical replication, as far as everybody may see them.
select
  quote_ident(s.subname) as identity,
  null as part_of,
  jsonb_build_object(
    'enabled', s.subenabled,
    'publications', array(select p from unnest(s.subpublications) as p order by 1),
    '_drop', format('drop subscription %I', s.subname)
  ) as properties
from pg_subscription as s
where s.subdbid = (select d.oid from pg_database as d where d.datname = current_database())
