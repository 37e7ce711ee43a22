-- Users see their own notifications and mark them as read.

grant select on events.notification to member, partner, superadmin;
grant update (read_at) on events.notification to member, partner;
grant select on api.notifications to member, partner, superadmin;
grant select, insert, delete on events.notification to worker;
grant select, insert, update, delete on events.notification to migrator;

create policy owner_all on events.notification for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.notification for all to migrator
using (true)
with check (true);

create policy member_select on events.notification for select to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_update on events.notification for update to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_select on events.notification for select to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_update on events.notification for update to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy superadmin_select on events.notification for select to superadmin
using (true);

-- events.make_notifications, events.purge_delivered
create policy worker_select on events.notification for select to worker
using (true);

create policy worker_insert on events.notification for insert to worker
with check (true);

create policy worker_delete on events.notification for delete to worker
using (true);

-- no insert and no delete for anybody else: the worker makes and removes them

-- nothing for analyst: personal data
