-- What was or is to be sent to webhooks.

grant select on events.webhook_delivery to member, superadmin;
grant select on api.webhook_deliveries to member, superadmin;
grant select, insert, delete on events.webhook_delivery to worker;
grant update (state, attempts, next_attempt_at, finished_at, last_error) on events.webhook_delivery to worker;
grant select, insert, update, delete on events.webhook_delivery to migrator;

create policy owner_all on events.webhook_delivery for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.webhook_delivery for all to migrator
using (true)
with check (true);

create policy member_select on events.webhook_delivery for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.read')));

-- no insert, update, delete: the worker's, and functions

-- nothing for partner: webhooks are the organisation's

create policy superadmin_select on events.webhook_delivery for select to superadmin
using (true);

create policy worker_select on events.webhook_delivery for select to worker
using (true);

create policy worker_insert on events.webhook_delivery for insert to worker
with check (true);

create policy worker_update on events.webhook_delivery for update to worker
using (true)
with check (true);

create policy worker_delete on events.webhook_delivery for delete to worker
using (true);

-- nothing for analyst: answers of other systems are not data to analyse
