-- title: every partner has a status that a listed step leads to
-- why: the list of steps is data; a state that falls out of it would trap the rows that have it
select
  p.org_id,
  p.id,
  p.status
from core.partner as p
where not exists (
  select from core.transition as t where t.entity = 'core.partner' and t.to_status = p.status
);
