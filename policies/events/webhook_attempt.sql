-- Attempts at deliveries.

grant select on events.webhook_attempt to member, superadmin;
grant select on api.webhook_attempts to member, superadmin;
grant insert on events.webhook_attempt to worker;
grant select, insert, update, delete on events.webhook_attempt to migrator;

create policy owner_all on events.webhook_attempt for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.webhook_attempt for all to migrator
using (true)
with check (true);

create policy member_select on events.webhook_attempt for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.read')));

-- no insert, update, delete: the worker's, and functions

-- nothing for partner: webhooks are the organisation's

create policy superadmin_select on events.webhook_attempt for select to superadmin
using (true);

create policy worker_insert on events.webhook_attempt for insert to worker
with check (true);

-- nothing for analyst: answers of other systems are not data to analyse
