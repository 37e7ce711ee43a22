-- title: custody of a crate has no gap from the first storage on
-- why: where a crate was can be told for any moment
select
  g.org_id,
  g.crate_id,
  g.ended_at,
  g.next_at
from (
  select
    u.org_id,
    u.crate_id,
    upper(u.during) as ended_at,
    lead(lower(u.during)) over (partition by u.org_id, u.crate_id order by lower(u.during)) as next_at
  from records.custody as u
) as g
where g.next_at <> g.ended_at
  or (g.next_at is not null and g.ended_at is null);
