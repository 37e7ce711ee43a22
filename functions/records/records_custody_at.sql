-- Where a crate was at any moment.

create or replace function api.records_custody_at(crate_id uuid, at timestamptz default null)
returns setof api.records_custodies
language sql
stable
parallel safe
begin atomic
  select v.*
  from records.custody as u
  inner join api.records_custodies as v
    on v.org_id = u.org_id
    and v.id = u.id
  where u.org_id = (select core.org_id())
    and u.crate_id = records_custody_at.crate_id
    and u.during @> coalesce(records_custody_at.at, now());
end;

comment on function api.records_custody_at(uuid, timestamptz) is
  'Where a crate was at a moment (now): the place, or the person who had it
One row; none before it was stored and after it was destroyed.';

grant execute on function api.records_custody_at(uuid, timestamptz) to member, superadmin, migrator;
