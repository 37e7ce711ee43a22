-- Users see of what they are told; a function writes it.

grant select on events.notification_preference to member, partner, superadmin, worker;
grant select on api.notification_preferences to member, partner, superadmin;
grant select, insert, update, delete on events.notification_preference to migrator;

create policy owner_all on events.notification_preference for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.notification_preference for all to migrator
using (true)
with check (true);

create policy member_select on events.notification_preference for select to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_select on events.notification_preference for select to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy superadmin_select on events.notification_preference for select to superadmin
using (true);

create policy worker_select on events.notification_preference for select to worker
using (true);

-- no insert, update, delete: api.notification_preference_put

-- nothing for analyst: personal data
