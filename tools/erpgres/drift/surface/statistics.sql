-- Extended statistics; those that a partition was made with are left out, since later ones of its table do not reach it.
select
  s.stxrelid::regclass::text || '.' || quote_ident(s.stxname) as identity,
  'table ' || s.stxrelid::regclass::text as part_of,
  jsonb_build_object(
    'definition', pg_get_statisticsobjdef(s.oid),
    'target', s.stxstattarget,
    'owner', pg_get_userbyid(s.stxowner),
    'comment', obj_description(s.oid, 'pg_statistic_ext'),
    '_create', pg_get_statisticsobjdef(s.oid),
    '_drop', format('drop statistics %I.%I', ours.nspname, s.stxname)
  ) as properties
from pg_statistic_ext as s
join ours on ours.oid = s.stxnamespace
join pg_class as c on c.oid = s.stxrelid and not c.relispartition
