-- Which roles users hold.

grant select on core.user_role to member, superadmin;
grant insert (org_id, id, user_id, role_id, unit_id) on core.user_role to member, superadmin;
grant delete on core.user_role to member, superadmin;
grant select on api.user_roles to member, superadmin;
grant insert (org_id, id, user_id, role_id, unit_id) on api.user_roles to member, superadmin;
grant delete on api.user_roles to member, superadmin;
grant select, insert, update, delete on core.user_role to migrator;
grant select (org_id, user_id, role_id, unit_id) on core.user_role to worker;

create policy owner_all on core.user_role for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.user_role for all to migrator
using (true)
with check (true);

create policy member_select on core.user_role for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.user_role for insert to member
with check (
  org_id = (select core.org_id())
  and (
    (select core.has_permission('core.user_role.create'))
    -- In a unit of his, a role which is no administrator's.
    or (
      unit_id = any ((select core.permitted_units('core.user_role.create'))::uuid[])
      and exists (
        select from core.role as r
        where r.org_id = user_role.org_id and r.id = user_role.role_id and not r.is_administrator
      )
    )
  )
);

-- no update: a role is given or taken

create policy member_delete on core.user_role for delete to member
using (
  org_id = (select core.org_id())
  and (
    (select core.has_permission('core.user_role.delete'))
    or unit_id = any ((select core.permitted_units('core.user_role.delete'))::uuid[])
  )
);

-- nothing for partner: api.me tells what one may do

create policy superadmin_select on core.user_role for select to superadmin
using (true);

create policy superadmin_insert on core.user_role for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.user_role for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: access control is not analysed with SQL

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.user_role for select to worker
using (true);
