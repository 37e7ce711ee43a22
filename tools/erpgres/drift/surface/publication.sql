-- Publications of logical replication.
select
  quote_ident(p.pubname) as identity,
  null as part_of,
  jsonb_build_object(
    'all tables', p.puballtables,
    'publishes', concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
      case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
    'by the root', p.pubviaroot,
    'generated columns', p.pubgencols,
    'tables', array(
      select concat_ws(' ', r.prrelid::regclass::text, r.prattrs::text, pg_get_expr(r.prqual, r.prrelid))
      from pg_publication_rel as r where r.prpubid = p.oid order by 1
    ),
    'schemas', array(
      select s.pnnspid::regnamespace::text from pg_publication_namespace as s where s.pnpubid = p.oid order by 1
    ),
    '_drop', format('drop publication %I', p.pubname)
  ) as properties
from pg_publication as p
