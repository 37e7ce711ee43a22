-- An organisation sees itself.

grant select on core.organization to member, superadmin, partner, analyst;
grant update (name, legal_name, country_code, time_zone, version) on core.organization to member, superadmin;
grant select on api.organizations to member, superadmin, partner;
grant update (name, legal_name, country_code, time_zone, version) on api.organizations to member, superadmin;
grant select, insert, update, delete on core.organization to migrator;
grant select (id, is_active) on core.organization to worker;

create policy owner_all on core.organization for all to owner
using (id = (select core.org_id()))
with check (id = (select core.org_id()));

-- Where a user may switch to.
create policy owner_self on core.organization for select to owner
using (exists (
  select from core.membership as m where m.org_id = organization.id and m.user_id = (select core.user_id())
));

create policy owner_superadmin on core.organization for select to owner
using ((select core.claims() ->> 'role') = 'superadmin');

create policy migrator_all on core.organization for all to migrator
using (true)
with check (true);

create policy member_select on core.organization for select to member
using (id = (select core.org_id()));

-- no insert: core.create_organization, run by the tools

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.organization for update to member
using (id = (select core.org_id()))
with check (id = (select core.org_id()) and (select core.has_permission('core.organization.update')));

-- no delete: an organisation is deactivated by the tools

create policy partner_select on core.organization for select to partner
using (id = (select core.org_id()));

create policy superadmin_select on core.organization for select to superadmin
using (true);

create policy superadmin_update on core.organization for update to superadmin
using (id = (select core.org_id()))
with check (id = (select core.org_id()));

create policy analyst_select on core.organization for select to analyst
using (id = (select core.org_id()));

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.organization for select to worker
using (true);
