-- How webhooks fare; api.webhooks shows it.

grant select on events.webhook_state to member, superadmin;
grant select on events.webhook_state to worker;
grant update (
  failures, failing_since, resume_at, last_success_at, last_error, last_turn_at
) on events.webhook_state to worker;
grant select, insert, update, delete on events.webhook_state to migrator;

create policy owner_all on events.webhook_state for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.webhook_state for all to migrator
using (true)
with check (true);

create policy member_select on events.webhook_state for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.read')));

-- no insert, update, delete: the worker's, and functions

-- nothing for partner: webhooks are the organisation's

create policy superadmin_select on events.webhook_state for select to superadmin
using (true);

create policy worker_select on events.webhook_state for select to worker
using (true);

create policy worker_update on events.webhook_state for update to worker
using (true)
with check (true);

-- nothing for analyst: answers of other systems are not data to analyse
