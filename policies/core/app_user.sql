-- Members see the users of their organisation, nobody sees who else has an account.

grant select on core.app_user to member, superadmin, partner;
grant select on api.users to member, superadmin, partner;
grant select, insert, update, delete on core.app_user to migrator;

create policy owner_self on core.app_user for select to owner
using (id = (select core.user_id()));

create policy owner_members on core.app_user for select to owner
using (exists (
  select from core.membership as m where m.user_id = app_user.id and m.org_id = (select core.org_id())
));

create policy migrator_all on core.app_user for all to migrator
using (true)
with check (true);

create policy member_select on core.app_user for select to member
using (exists (
  select from core.membership as m where m.user_id = app_user.id and m.org_id = (select core.org_id())
));

-- no insert: users are made by the tools

-- no update: users are managed by the tools

-- no delete: a user is made inactive

create policy partner_select on core.app_user for select to partner
using (id = (select core.user_id()));

create policy superadmin_select on core.app_user for select to superadmin
using (true);

-- nothing for analyst: personal data
