-- The parts a partner plays.

grant select on core.partner_role to member, superadmin, partner, analyst;
grant insert (org_id, partner_id, role) on core.partner_role to member, superadmin;
grant delete on core.partner_role to member, superadmin;
grant select on api.partner_roles to member, superadmin, partner;
grant insert (org_id, partner_id, role) on api.partner_roles to member, superadmin;
grant delete on api.partner_roles to member, superadmin;
grant select, insert, update, delete on core.partner_role to migrator;

create policy owner_all on core.partner_role for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.partner_role for all to migrator
using (true)
with check (true);

create policy member_select on core.partner_role for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.partner_role for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.partner_role.create')));

-- no update: a role is given or taken

create policy member_delete on core.partner_role for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.partner_role.delete')));

create policy partner_select on core.partner_role for select to partner
using (org_id = (select core.org_id()) and partner_id = (select core.partner_id()));

create policy superadmin_select on core.partner_role for select to superadmin
using (true);

create policy superadmin_insert on core.partner_role for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.partner_role for delete to superadmin
using (org_id = (select core.org_id()));

create policy analyst_select on core.partner_role for select to analyst
using (org_id = (select core.org_id()));
