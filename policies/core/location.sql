-- Places of the organisation.

grant select on core.location to member, superadmin, analyst;
grant insert (
  org_id, id, parent_id, kind, code, name, unit_id, capacity, capacity_unit, zone, time_zone, latitude, longitude
) on core.location to member, superadmin;
grant update (
  code, name, unit_id, capacity, capacity_unit, zone, time_zone, latitude, longitude, is_active, version
) on core.location to member, superadmin;
grant select on api.locations to member, superadmin;
grant insert (
  org_id, id, parent_id, kind, code, name, unit_id, capacity, capacity_unit, zone, time_zone, latitude, longitude
) on api.locations to member, superadmin;
grant update (
  code, name, unit_id, capacity, capacity_unit, zone, time_zone, latitude, longitude, is_active, version
) on api.locations to member, superadmin;
grant select, insert, update, delete on core.location to migrator;

create policy owner_all on core.location for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.location for all to migrator
using (true)
with check (true);

create policy member_select on core.location for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.location for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.location.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.location for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.location.update')));

-- no delete: a place is made inactive; parent_id is changed by api.location_move, kind never

-- nothing for partner: where goods lie inside is not their concern

create policy superadmin_select on core.location for select to superadmin
using (true);

create policy superadmin_insert on core.location for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.location for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy analyst_select on core.location for select to analyst
using (org_id = (select core.org_id()));
