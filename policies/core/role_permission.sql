-- Which permissions a role has.

grant select on core.role_permission to member, superadmin;
grant insert (org_id, role_id, permission) on core.role_permission to member, superadmin;
grant delete on core.role_permission to member, superadmin;
grant select on api.role_permissions to member, superadmin;
grant insert (org_id, role_id, permission) on api.role_permissions to member, superadmin;
grant delete on api.role_permissions to member, superadmin;
grant select, insert, update, delete on core.role_permission to migrator;
grant select (org_id, role_id, permission) on core.role_permission to worker;

create policy owner_all on core.role_permission for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.role_permission for all to migrator
using (true)
with check (true);

create policy member_select on core.role_permission for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.role_permission for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.role_permission.create')));

-- no update: a permission is in a role or not

create policy member_delete on core.role_permission for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.role_permission.delete')));

-- nothing for partner: api.me tells what one may do

create policy superadmin_select on core.role_permission for select to superadmin
using (true);

create policy superadmin_insert on core.role_permission for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.role_permission for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: access control is not analysed with SQL

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.role_permission for select to worker
using (true);
