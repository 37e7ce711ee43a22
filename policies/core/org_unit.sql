-- Units of the organisation, read by all its members.

grant select on core.org_unit to member, superadmin, analyst;
grant insert (org_id, id, parent_id, kind, code, name) on core.org_unit to member, superadmin;
grant update (kind, code, name, is_active, version) on core.org_unit to member, superadmin;
grant select on api.org_units to member, superadmin;
grant insert (org_id, id, parent_id, kind, code, name) on api.org_units to member, superadmin;
grant update (kind, code, name, is_active, version) on api.org_units to member, superadmin;
grant select, insert, update, delete on core.org_unit to migrator;
grant select (org_id, id, path) on core.org_unit to worker;

create policy owner_all on core.org_unit for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.org_unit for all to migrator
using (true)
with check (true);

create policy member_select on core.org_unit for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.org_unit for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.org_unit.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.org_unit for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.org_unit.update')));

-- no delete: a unit is made inactive; parent_id is changed by api.org_unit_move

-- nothing for partner: the inner structure of the organisation

create policy superadmin_select on core.org_unit for select to superadmin
using (true);

create policy superadmin_insert on core.org_unit for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.org_unit for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy analyst_select on core.org_unit for select to analyst
using (org_id = (select core.org_id()));

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.org_unit for select to worker
using (true);
