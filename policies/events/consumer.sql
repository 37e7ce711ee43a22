-- Consumers of the feed: seen by members, made, moved and removed by those with the permission.

grant select on events.consumer to member, superadmin;
grant insert (org_id, name, cursor_xid, cursor_id) on events.consumer to member, superadmin;
grant update (cursor_xid, cursor_id, acknowledged_at) on events.consumer to member, superadmin;
grant delete on events.consumer to member, superadmin;
grant select on api.event_consumers to member, superadmin;
grant select, insert, update, delete on events.consumer to migrator;

create policy owner_all on events.consumer for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.consumer for all to migrator
using (true)
with check (true);

create policy member_select on events.consumer for select to member
using (org_id = (select core.org_id()));

create policy member_insert on events.consumer for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('events.consumer.create')));

create policy member_update on events.consumer for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('events.consumer.update')));

create policy member_delete on events.consumer for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('events.consumer.delete')));

create policy superadmin_select on events.consumer for select to superadmin
using (true);

create policy superadmin_insert on events.consumer for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on events.consumer for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on events.consumer for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for partner: an EXTERNAL user's program keeps its cursor itself
-- nothing for analyst: not data to analyse
