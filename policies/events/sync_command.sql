-- Commands of devices: written by the pushes of their users, who see their own.

grant select, insert, update, delete on events.sync_command to migrator;
grant select on events.sync_command to member, partner;
grant insert (id, device_id, function, arguments, sequence, outcome, code, message, hint, details, result)
on events.sync_command to member, partner;
grant update (is_dismissed) on events.sync_command to member, partner;
grant select, delete on events.sync_command to worker;
grant select on api.sync_commands to member, partner;

create policy owner_all on events.sync_command for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.sync_command for all to migrator
using (true)
with check (true);

create policy member_select on events.sync_command for select to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_insert on events.sync_command for insert to member
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy member_update on events.sync_command for update to member
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_select on events.sync_command for select to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_insert on events.sync_command for insert to partner
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy partner_update on events.sync_command for update to partner
using (org_id = (select core.org_id()) and user_id = (select core.user_id()))
with check (org_id = (select core.org_id()) and user_id = (select core.user_id()));

create policy worker_select on events.sync_command for select to worker
using (true);

create policy worker_delete on events.sync_command for delete to worker
using (true);

-- no delete: a command that came once must be known when it comes again
-- nothing for superadmin: he sees all organisations, more than a device can hold
-- nothing for analyst: not data to analyse
