-- Who belongs to the organisation; shown by api.users.

grant select on core.membership to member, superadmin, partner;
grant select, insert, update, delete on core.membership to migrator;
grant select (org_id, user_id, kind, partner_id, is_active) on core.membership to worker;

create policy owner_all on core.membership for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- Where a user may switch to.
create policy owner_self on core.membership for select to owner
using (user_id = (select core.user_id()));

create policy migrator_all on core.membership for all to migrator
using (true)
with check (true);

create policy member_select on core.membership for select to member
using (org_id = (select core.org_id()));

-- no insert: api.user_create

-- no update: api.user_disable, api.user_enable

-- no delete: a membership is made inactive

create policy partner_select on core.membership for select to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy superadmin_select on core.membership for select to superadmin
using (true);

-- nothing for analyst: personal data

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.membership for select to worker
using (true);
