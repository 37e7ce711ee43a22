-- domain: events
-- why: people learn what happened that concerns them
-- locks: none (new objects)
-- breaking: no

create table events.feed_cursor (
  reader text constraint feed_cursor_pkey primary key,
  xid xid8 not null,
  id uuid not null,
  moved_at timestamptz not null default now(),
  constraint reader_not_blank check (btrim(reader) <> '')
);

comment on table events.feed_cursor is
  'How far the worker has read the feed of all organisations, for each thing that it makes from it. It moves in the '
  'transaction that writes what was made, so that nothing is left out and nothing made twice.';

insert into events.feed_cursor (reader, xid, id)
select r, pg_snapshot_xmin(pg_current_snapshot()), '00000000-0000-0000-0000-000000000000'
from unnest(array['notifications', 'webhooks']) as r;

-- In core, so that each domain has a file of its own in sql/reference/notification_rule.
create table core.notification_rule (
  code text constraint notification_rule_pkey primary key,
  event_type text not null,
  recipient text not null,
  permission text,
  title text not null,
  constraint permission_exists foreign key (permission) references core.permission (code),
  constraint event_type_is_entity_and_what_happened check (event_type ~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$'),
  constraint recipient_known check (recipient in ('PERMISSION', 'CREATOR', 'PARTNER')),
  constraint permission_names_its_holders check ((recipient = 'PERMISSION') = (permission is not null)),
  constraint title_not_blank check (btrim(title) <> '')
);

comment on table core.notification_rule is 'Who is told of which events unless he says otherwise';
comment on column core.notification_rule.recipient is
  'PERMISSION: who holds it, in the unit of the event if it has one; CREATOR: who made the row that it is about; PARTNER: '
  'the EXTERNAL users of its partner. Never who did it, and nobody who may not read such events.';

create index notification_rule_event_type_idx on core.notification_rule (event_type);
create index notification_rule_permission_idx on core.notification_rule (permission);

create table events.notification (
  org_id uuid not null,
  user_id uuid not null,
  event_id uuid not null,
  event_type text not null,
  entity text not null,
  entity_id uuid,
  actor_id uuid,
  title text,
  created_at timestamptz not null default now(),
  read_at timestamptz,
  constraint notification_pkey primary key (org_id, user_id, event_id),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id)
);

comment on table events.notification is
  'What a user is told, once an event and user. Not partitioned: it is kept for a year at most (events.purge_delivered).';
comment on column events.notification.title is 'Of the rule; null: the user asked for this type of event himself';

create index notification_unread_idx on events.notification (org_id, user_id, event_id) where read_at is null;

alter table events.notification enable row level security;
alter table events.notification force row level security;

create table events.notification_preference (
  org_id uuid not null default core.org_id(),
  user_id uuid not null default core.user_id(),
  event_type text not null,
  is_on boolean not null,
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint notification_preference_pkey primary key (org_id, user_id, event_type),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id)
);

comment on table events.notification_preference is
  'Types of events of which a user wants to be told though no rule says so (is_on), or not though one does';

create index notification_preference_event_type_idx on events.notification_preference (org_id, event_type) where is_on;

alter table events.notification_preference enable row level security;
alter table events.notification_preference force row level security;
