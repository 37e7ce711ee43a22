-- Items of the organisation.

grant select on core.item to member, superadmin, analyst;
grant insert (
  org_id, id, sku, name, class, tracking, unit_code, shelf_life_days, price, currency
) on core.item to member, superadmin;
grant update (
  sku, name, class, shelf_life_days, price, currency, is_active, version
) on core.item to member, superadmin;
grant select on api.items to member, superadmin;
grant insert (
  org_id, id, sku, name, class, tracking, unit_code, shelf_life_days, price, currency
) on api.items to member, superadmin;
grant update (
  sku, name, class, shelf_life_days, price, currency, is_active, version
) on api.items to member, superadmin;
grant select, insert, update, delete on core.item to migrator;

create policy owner_all on core.item for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.item for all to migrator
using (true)
with check (true);

create policy member_select on core.item for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.item for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.item.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.item for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.item.update')));

-- no delete: an item is made inactive; unit_code and tracking never change, since stock is counted by them

-- nothing for partner: what they may see of items, the views of their documents show

create policy superadmin_select on core.item for select to superadmin
using (true);

create policy superadmin_insert on core.item for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.item for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy analyst_select on core.item for select to analyst
using (org_id = (select core.org_id()));
