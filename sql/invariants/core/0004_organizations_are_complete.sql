-- title: every organisation has its four virtual places and a role that may do everything
-- why: without the places no movement has two ends; without the role nobody can give rights
select
  o.id as org_id,
  o.code,
  k.kind as lacks
from core.organization as o
cross join (values ('SUPPLIER'), ('CUSTOMER'), ('PRODUCTION'), ('LOSS')) as k (kind)
where not exists (select from core.location as l where l.org_id = o.id and l.kind = k.kind)
union all
select
  o.id as org_id,
  o.code,
  'administrator' as lacks
from core.organization as o
where not exists (select from core.role as r where r.org_id = o.id and r.is_administrator);
