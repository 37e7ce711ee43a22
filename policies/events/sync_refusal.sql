-- Refused drafts: written by the pushes of their users, who see their own.

grant select, insert, update, delete on events.sync_refusal to migrator;
grant select on events.sync_refusal to member, partner;
grant insert (device_id, table_name, row_id, code, message, hint, details) on events.sync_refusal to member, partner;
grant update (code, message, hint, details, refused_at) on events.sync_refusal to member, partner;
grant delete on events.sync_refusal to member, partner;
grant select on api.sync_refusals to member, partner;

create policy owner_all on events.sync_refusal for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.sync_refusal for all to migrator
using (true)
with check (true);

create policy member_select on events.sync_refusal for select to member
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy member_insert on events.sync_refusal for insert to member
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy member_update on events.sync_refusal for update to member
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

create policy member_delete on events.sync_refusal for delete to member
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_select on events.sync_refusal for select to partner
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_insert on events.sync_refusal for insert to partner
with check (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

create policy partner_update on events.sync_refusal for update to partner
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

create policy partner_delete on events.sync_refusal for delete to partner
using (
  org_id = (select core.org_id())
  and device_id = any (array(
    select d.id from events.sync_device as d where d.org_id = (select core.org_id()) and d.user_id = (select core.user_id())
  ))
);

-- nothing for superadmin: he sees all organisations, more than a device can hold
-- nothing for analyst: not data to analyse
