-- People at partners.

grant select on core.contact to member, superadmin, partner;
grant insert (org_id, id, partner_id, name, position, email, phone, is_primary) on core.contact to member, superadmin;
grant update (name, position, email, phone, is_primary, version) on core.contact to member, superadmin;
grant delete on core.contact to member, superadmin;
grant select on api.contacts to member, superadmin, partner;
grant insert (org_id, id, partner_id, name, position, email, phone, is_primary) on api.contacts to member, superadmin;
grant update (name, position, email, phone, is_primary, version) on api.contacts to member, superadmin;
grant delete on api.contacts to member, superadmin;
grant select, insert, update, delete on core.contact to migrator;

create policy owner_all on core.contact for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.contact for all to migrator
using (true)
with check (true);

create policy member_select on core.contact for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.contact for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.contact.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.contact for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.contact.update')));

create policy member_delete on core.contact for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.contact.delete')));

create policy partner_select on core.contact for select to partner
using (org_id = (select core.org_id()) and partner_id = (select core.partner_id()));

create policy superadmin_select on core.contact for select to superadmin
using (true);

create policy superadmin_insert on core.contact for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.contact for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.contact for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: personal data
