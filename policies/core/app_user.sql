-- Members see the users of their organisation, nobody sees who else has an account.

grant select on core.app_user to member, superadmin, partner;
grant select on api.users to member, superadmin, partner;
grant select (id, is_active) on core.app_user to relay;
grant select, insert, update, delete on core.app_user to migrator;
grant select (id, is_active) on core.app_user to worker;

create policy owner_self on core.app_user for select to owner
using (id = (select core.user_id()));

create policy owner_members on core.app_user for select to owner
using (exists (
  select from core.membership as m where m.user_id = app_user.id and m.org_id = (select core.org_id())
));

-- Who signs in is nobody yet (core.begin_sign_in).
create policy owner_sign_in on core.app_user for select to owner
using ((select core.claims() ->> 'role') = 'anon');

-- api.user_create makes users of an organisation, never a SUPER_ADMIN.
create policy owner_insert on core.app_user for insert to owner
with check ((select core.org_id()) is not null and kind in ('INTERNAL', 'EXTERNAL'));

-- A SUPER_ADMIN disables accounts (api.user_disable).
create policy owner_superadmin_select on core.app_user for select to owner
using ((select core.claims() ->> 'role') = 'superadmin');

create policy owner_superadmin_update on core.app_user for update to owner
using ((select core.claims() ->> 'role') = 'superadmin')
with check ((select core.claims() ->> 'role') = 'superadmin');

create policy migrator_all on core.app_user for all to migrator
using (true)
with check (true);

create policy member_select on core.app_user for select to member
using (exists (
  select from core.membership as m where m.user_id = app_user.id and m.org_id = (select core.org_id())
));

-- no insert: api.user_create

-- no update: api.user_disable, api.user_enable

-- no delete: a user is made inactive

create policy partner_select on core.app_user for select to partner
using (id = (select core.user_id()));

create policy superadmin_select on core.app_user for select to superadmin
using (true);

-- Which of its subscribers' users are over, asked every second.
create policy relay_select on core.app_user for select to relay
using (true);

-- nothing for analyst: personal data

-- Notifications and webhooks concern the users of every organisation.
create policy worker_select on core.app_user for select to worker
using (true);
