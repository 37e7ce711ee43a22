-- What a hit of the search is called, for whoever asks: the policies of the tables decide which rows that are.

create or replace function core.describe_items(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select i.id, i.name, concat_ws(' · ', i.sku, i.class, case when not i.is_active then 'inactive' end)
  from core.item as i
  where i.org_id = (select core.org_id())
    and i.id = any (describe_items.ids);
end;

comment on function core.describe_items(uuid[]) is 'Name, and article number, of items that the caller may see';

grant execute on function core.describe_items(uuid[]) to member, superadmin;

create or replace function core.describe_partners(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select p.id, p.name, concat_ws(' · ', p.code, p.country_code, nullif(p.status, 'ACTIVE'))
  from core.partner as p
  where p.org_id = (select core.org_id())
    and p.id = any (describe_partners.ids);
end;

comment on function core.describe_partners(uuid[]) is 'Name, and code, of partners that the caller may see';

grant execute on function core.describe_partners(uuid[]) to member, partner, superadmin;

create or replace function core.describe_locations(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select p.id, p.name, concat_ws(' · ', concat_ws('/', u.code, p.code), p.kind, case when not p.is_active then 'inactive' end)
  from core.location as p
  left join core.location as u
    on u.org_id = p.org_id
    and u.id = p.parent_id
  where p.org_id = (select core.org_id())
    and p.id = any (describe_locations.ids);
end;

comment on function core.describe_locations(uuid[]) is 'Name, and code, of places that the caller may see';

grant execute on function core.describe_locations(uuid[]) to member, superadmin;
