-- Notifications: the views that PostgREST exposes.

create view api.notifications
with (security_invoker = true) as
select
  t.org_id,
  t.event_id as id,
  t.user_id,
  t.event_type,
  t.title,
  t.entity,
  t.entity_id,
  t.actor_id,
  t.created_at,
  t.read_at
from events.notification as t;

comment on view api.notifications is
  E'Notifications\n'
  'What the user is told. Newest first: order=id.desc; unread: read_at=is.null. Marked with POST /rpc/notification_read '
  'and /rpc/notifications_read_all, counted with /rpc/notifications_unread.';
comment on column api.notifications.org_id is 'Organisation in which it happened';
comment on column api.notifications.id is 'The event that it tells of, in order of time: /events?id=eq.…';
comment on column api.notifications.user_id is 'Who is told';
comment on column api.notifications.event_type is 'What happened: wms_document.posted';
comment on column api.notifications.title is 'In words; null: the user asked for this type himself';
comment on column api.notifications.entity is 'What it is about: wms_document';
comment on column api.notifications.entity_id is 'The row';
comment on column api.notifications.actor_id is 'User who did it; null: the tools or a background job';
comment on column api.notifications.created_at is 'When the user was told';
comment on column api.notifications.read_at is 'When the user read it';

create view api.notification_preferences
with (security_invoker = true) as
select
  t.org_id,
  t.user_id,
  t.event_type,
  t.is_on,
  t.updated_at,
  t.updated_by
from events.notification_preference as t;

comment on view api.notification_preferences is
  E'Of what the user wants to be told\n'
  'Where it differs from /notification_rules. Changed with POST /rpc/notification_preference_put.';
comment on column api.notification_preferences.org_id is 'Organisation';
comment on column api.notification_preferences.user_id is 'The user';
comment on column api.notification_preferences.event_type is 'Type of event';
comment on column api.notification_preferences.is_on is 'true: told though no rule says so; false: not told';
comment on column api.notification_preferences.updated_at is 'When it was last changed';
comment on column api.notification_preferences.updated_by is 'User who changed it';

create view api.notification_rules
with (security_invoker = true) as
select
  t.code,
  t.event_type,
  t.recipient,
  t.permission,
  t.title
from core.notification_rule as t;

comment on view api.notification_rules is
  E'Who is told of which events\n'
  'Unless he says otherwise in /notification_preferences. Never who did it, and nobody who may not read such events.';
comment on column api.notification_rules.code is 'Name of the rule';
comment on column api.notification_rules.event_type is 'Type of event';
comment on column api.notification_rules.recipient is
  'PERMISSION: its holders; CREATOR: who made what it is about; PARTNER: the EXTERNAL users of its partner';
comment on column api.notification_rules.permission is 'Whose holders are told';
comment on column api.notification_rules.title is 'What they read';
