-- title: the path of a place or organisation unit is that of its parent with its own id
select
  t.tree,
  t.org_id,
  t.id,
  t.path,
  p.path as path_of_parent
from (
  select 'location' as tree, l.org_id, l.id, l.parent_id, l.path::text as path
  from core.location as l
  union all
  select 'org_unit' as tree, u.org_id, u.id, u.parent_id, u.path::text as path
  from core.org_unit as u
) as t
left join (
  select 'location' as tree, l.org_id, l.id, l.path::text as path
  from core.location as l
  union all
  select 'org_unit' as tree, u.org_id, u.id, u.path::text as path
  from core.org_unit as u
) as p
  on p.tree = t.tree
  and p.org_id = t.org_id
  and p.id = t.parent_id
where t.path <> concat_ws('.', p.path, replace(t.id::text, '-', ''));
