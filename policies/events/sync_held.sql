-- What devices hold: noted and read by the pulls and pushes of their users alone.

grant select, insert, update, delete on events.sync_held to migrator;
grant select on events.sync_held to member, partner;
grant insert (device_id, table_name, row_id, parent_id, hash, pushed_hash, first_point, last_point, gone_point)
on events.sync_held to member, partner;
grant update (parent_id, hash, pushed_hash, last_point, gone_point) on events.sync_held to member, partner;
grant delete on events.sync_held to member, partner;

create policy owner_all on events.sync_held for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.sync_held for all to migrator
using (true)
with check (true);

create policy member_select on events.sync_held for select to member
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy member_insert on events.sync_held for insert to member
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy member_update on events.sync_held for update to member
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
)
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy member_delete on events.sync_held for delete to member
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_select on events.sync_held for select to partner
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_insert on events.sync_held for insert to partner
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_update on events.sync_held for update to partner
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
)
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_delete on events.sync_held for delete to partner
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

-- nothing for superadmin: he sees all organisations, more than a device can hold
-- nothing for analyst: not data to analyse
