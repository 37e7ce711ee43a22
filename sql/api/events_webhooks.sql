-- Webhooks, what is sent to them and how that goes: the views that PostgREST exposes.

create view api.webhooks
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.name,
  t.url,
  t.event_types,
  t.user_id,
  t.is_active,
  t.disabled_because,
  (
    select s.failures
    from events.webhook_state as s
    where s.org_id = t.org_id and s.webhook_id = t.id
  ) as failures,
  (
    select s.failing_since
    from events.webhook_state as s
    where s.org_id = t.org_id and s.webhook_id = t.id
  ) as failing_since,
  (
    select s.last_success_at
    from events.webhook_state as s
    where s.org_id = t.org_id and s.webhook_id = t.id
  ) as last_success_at,
  t.old_secret_until,
  t.version,
  t.created_at,
  t.created_by,
  t.updated_at,
  t.updated_by
from events.webhook as t;

comment on view api.webhooks is
  E'Webhooks\n'
  'Where events are sent. With core.webhook.read; made with POST /rpc/webhook_create, switched with /rpc/webhook_enable '
  'and /rpc/webhook_disable. PATCH changes name, url and event_types (core.webhook.update): who changes url becomes its '
  'user. DELETE (core.webhook.delete) also removes what waits and the log.';
comment on column api.webhooks.org_id is 'Organisation that the row belongs to';
comment on column api.webhooks.id is 'Id: a version 7 UUID, in order of time';
comment on column api.webhooks.name is 'What it is for';
comment on column api.webhooks.url is 'Where events are sent';
comment on column api.webhooks.event_types is 'Types (partner.created), all of an entity (partner.*) or all (*)';
comment on column api.webhooks.user_id is 'It gets what this user may see: who set url';
comment on column api.webhooks.is_active is 'Whether events are sent';
comment on column api.webhooks.disabled_because is
  'USER; FAILING: for days; GONE: answered 410; USER_INACTIVE: its user is no longer active';
comment on column api.webhooks.failures is 'Failed attempts in a row';
comment on column api.webhooks.failing_since is 'When they began';
comment on column api.webhooks.last_success_at is 'When something was last delivered';
comment on column api.webhooks.old_secret_until is 'Until then the secret before the last rotation signs as well';
comment on column api.webhooks.version is 'Counts changes: a PATCH with another version is refused';
comment on column api.webhooks.created_at is 'When it was made';
comment on column api.webhooks.created_by is 'User who made it';
comment on column api.webhooks.updated_at is 'When it was last changed';
comment on column api.webhooks.updated_by is 'User who changed it';

create view api.webhook_deliveries
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.webhook_id,
  t.event_id,
  t.event_type,
  t.state,
  t.attempts,
  case when t.state = 'WAITING' then t.next_attempt_at end as next_attempt_at,
  t.created_at,
  t.finished_at,
  t.last_error
from events.webhook_delivery as t;

comment on view api.webhook_deliveries is
  E'Deliveries to webhooks\n'
  'With core.webhook.read. Dead ones: state=eq.DEAD; sent again with POST /rpc/webhook_redeliver. Kept for 30 days, dead '
  'ones for 90.';
comment on column api.webhook_deliveries.org_id is 'Organisation that the row belongs to';
comment on column api.webhook_deliveries.id is 'Id: a version 7 UUID, in order of time';
comment on column api.webhook_deliveries.webhook_id is 'The webhook';
comment on column api.webhook_deliveries.event_id is 'The event; the header webhook-id';
comment on column api.webhook_deliveries.event_type is 'Its type';
comment on column api.webhook_deliveries.state is
  'WAITING; DELIVERED: answered with 2xx; DEAD: given up; SKIPPED: the user of the webhook may not see the event';
comment on column api.webhook_deliveries.attempts is 'How often it was tried';
comment on column api.webhook_deliveries.next_attempt_at is 'Not before, if it waits';
comment on column api.webhook_deliveries.created_at is 'When it was first to be sent';
comment on column api.webhook_deliveries.finished_at is 'When it was delivered or given up';
comment on column api.webhook_deliveries.last_error is 'Why the last attempt failed';

create view api.webhook_attempts
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.delivery_id,
  t.attempted_at,
  t.milliseconds,
  t.http_status,
  t.error,
  t.answer
from events.webhook_attempt as t;

comment on view api.webhook_attempts is
  E'Attempts at deliveries\n'
  'With core.webhook.read; of one delivery: delivery_id=eq.….';
comment on column api.webhook_attempts.org_id is 'Organisation that the row belongs to';
comment on column api.webhook_attempts.id is 'Id: a version 7 UUID, in order of time';
comment on column api.webhook_attempts.delivery_id is 'The delivery';
comment on column api.webhook_attempts.attempted_at is 'When it began';
comment on column api.webhook_attempts.milliseconds is 'How long it took';
comment on column api.webhook_attempts.http_status is 'Status of the answer; null: there was none';
comment on column api.webhook_attempts.error is 'Why there was no answer';
comment on column api.webhook_attempts.answer is 'The beginning of the answer''s body, up to 1000 characters';
