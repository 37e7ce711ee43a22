-- Addresses of partners.

grant select on core.address to member, superadmin, partner, analyst;
grant insert (
  org_id, id, partner_id, kind, line1, line2, city, region, postal_code, country_code, locode
) on core.address to member, superadmin;
grant update (
  kind, line1, line2, city, region, postal_code, country_code, locode, version
) on core.address to member, superadmin;
grant delete on core.address to member, superadmin;
grant select on api.addresses to member, superadmin, partner;
grant insert (
  org_id, id, partner_id, kind, line1, line2, city, region, postal_code, country_code, locode
) on api.addresses to member, superadmin;
grant update (
  kind, line1, line2, city, region, postal_code, country_code, locode, version
) on api.addresses to member, superadmin;
grant delete on api.addresses to member, superadmin;
grant select, insert, update, delete on core.address to migrator;

create policy owner_all on core.address for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.address for all to migrator
using (true)
with check (true);

create policy member_select on core.address for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.address for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.address.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.address for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.address.update')));

create policy member_delete on core.address for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.address.delete')));

create policy partner_select on core.address for select to partner
using (org_id = (select core.org_id()) and partner_id = (select core.partner_id()));

create policy superadmin_select on core.address for select to superadmin
using (true);

create policy superadmin_insert on core.address for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.address for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.address for delete to superadmin
using (org_id = (select core.org_id()));

create policy analyst_select on core.address for select to analyst
using (org_id = (select core.org_id()));
