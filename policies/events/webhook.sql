-- Webhooks; nobody but the worker sees a secret.

grant select (
  org_id, id, name, url, event_types, user_id, is_active, disabled_because, old_secret_until, version, created_at,
  created_by, updated_at, updated_by
) on events.webhook to member, superadmin;
grant update (name, url, event_types, version) on events.webhook to member;
grant delete on events.webhook to member;
grant select on api.webhooks to member, superadmin;
grant update (name, url, event_types, version), delete on api.webhooks to member;
grant select, update (is_active, disabled_because) on events.webhook to worker;
grant select, insert, update, delete on events.webhook to migrator;

create policy owner_all on events.webhook for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on events.webhook for all to migrator
using (true)
with check (true);

create policy member_select on events.webhook for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.read')));

-- no insert: api.webhook_create

create policy member_update on events.webhook for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.update')));

create policy member_delete on events.webhook for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.webhook.delete')));

-- nothing for partner: webhooks are the organisation's

create policy superadmin_select on events.webhook for select to superadmin
using (true);

create policy worker_select on events.webhook for select to worker
using (true);

create policy worker_update on events.webhook for update to worker
using (true)
with check (true);

-- nothing for analyst: addresses may hold tokens
