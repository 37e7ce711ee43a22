-- Devices: each user has his own, and his requests keep account of what they hold.

grant select, insert, update, delete on events.sync_device to migrator;
grant select on events.sync_device to member, partner;
grant insert (device, name) on events.sync_device to member, partner;
grant update (point, confirmed_point, seen_xid, rights, schema_version, name, pulled_at, pushed_at)
on events.sync_device to member, partner;
grant delete on events.sync_device to member, partner;
grant select, delete on events.sync_device to worker;

create policy owner_all on events.sync_device for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.sync_device for all to migrator
using (true)
with check (true);

create policy member_select on events.sync_device for select to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_insert on events.sync_device for insert to member
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_update on events.sync_device for update to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_delete on events.sync_device for delete to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_select on events.sync_device for select to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_insert on events.sync_device for insert to partner
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_update on events.sync_device for update to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_delete on events.sync_device for delete to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy worker_select on events.sync_device for select to worker
using (true);

create policy worker_delete on events.sync_device for delete to worker
using (true);

-- nothing for superadmin: he sees all organisations, more than a device can hold
-- nothing for analyst: not data to analyse
