-- Roles of the organisation.

grant select on core.role to member, superadmin;
grant insert (org_id, id, code, name, requires_second_factor) on core.role to member, superadmin;
grant update (code, name, requires_second_factor, version) on core.role to member, superadmin;
grant delete on core.role to member, superadmin;
grant select on api.roles to member, superadmin;
grant insert (org_id, id, code, name, requires_second_factor) on api.roles to member, superadmin;
grant update (code, name, requires_second_factor, version) on api.roles to member, superadmin;
grant delete on api.roles to member, superadmin;
grant select, insert, update, delete on core.role to migrator;
grant select (org_id, id, is_administrator) on core.role to worker;

create policy owner_all on core.role for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.role for all to migrator
using (true)
with check (true);

create policy member_select on core.role for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.role for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.role.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.role for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.role.update')));

create policy member_delete on core.role for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.role.delete')));

-- nothing for partner: api.me tells what one may do

create policy superadmin_select on core.role for select to superadmin
using (true);

create policy superadmin_insert on core.role for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.role for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.role for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: access control is not analysed with SQL

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.role for select to worker
using (true);
