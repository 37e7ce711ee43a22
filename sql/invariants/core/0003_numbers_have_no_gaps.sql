-- title: as many numbers of a document type are registered as its series have given
-- why: a number counted but not registered is a gap; one registered but not counted will be given again
select
  coalesce(c.org_id, r.org_id) as org_id,
  coalesce(c.document_type, r.document_type) as document_type,
  coalesce(c.given, 0) as given,
  coalesce(r.registered, 0) as registered
from (
  select s.org_id, s.document_type, sum(n.last_number) as given
  from core.number_counter as n
  inner join core.number_series as s
    on s.org_id = n.org_id
    and s.id = n.series_id
  group by s.org_id, s.document_type
) as c
full join (
  select g.org_id, g.document_type, count(*) as registered
  from core.number_register as g
  group by g.org_id, g.document_type
) as r
  on r.org_id = c.org_id
  and r.document_type = c.document_type
where coalesce(c.given, 0) <> coalesce(r.registered, 0);
