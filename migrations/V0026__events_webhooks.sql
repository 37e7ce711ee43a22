-- domain: events
-- why: other systems are told what happens, by requests that they can verify
-- locks: none (new objects)
-- breaking: no

create table events.webhook (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  name text not null,
  url text not null,
  event_types text[] not null,
  user_id uuid not null default core.user_id(),
  is_active boolean not null default true,
  disabled_because text,
  secret text not null,
  old_secret text,
  old_secret_until timestamptz,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid default core.user_id(),
  constraint webhook_pkey primary key (org_id, id),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint url_is_http_without_user_or_fragment check (
    url ~ '^https?://[^\s/?#@\\]+([/?][^\s#\\]*)?$' and octet_length(url) <= 2000
  ),
  constraint event_types_are_types_or_patterns check (
    cardinality(event_types) between 1 and 100
    and array_position(event_types, null) is null
    and array_to_string(event_types, ' ')
      ~ '^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*))( (\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*)))*$'
  ),
  constraint disabled_for_a_known_reason check (
    (disabled_because is null) = is_active and disabled_because in ('USER', 'FAILING', 'GONE', 'USER_INACTIVE')
  ),
  constraint old_secret_ends check ((old_secret is null) = (old_secret_until is null))
);

comment on table events.webhook is
  'Where other systems want events sent. It gets what its user may see: who set the address, since the address decides '
  'who reads it.';
comment on column events.webhook.event_types is 'partner.created, all of an entity (partner.*), or all (*)';
comment on column events.webhook.secret is 'Signs what is sent (whsec_ and base64); shown when it is made and never again';
comment on column events.webhook.old_secret is 'The one before a rotation: signs as well until old_secret_until';

create index webhook_user_id_idx on events.webhook (org_id, user_id);

alter table events.webhook enable row level security;
alter table events.webhook force row level security;

create table events.webhook_state (
  org_id uuid not null,
  webhook_id uuid not null,
  failures integer not null default 0,
  failing_since timestamptz,
  resume_at timestamptz not null default '-infinity',
  last_success_at timestamptz,
  last_error text,
  last_turn_at timestamptz not null default '-infinity',
  constraint webhook_state_pkey primary key (org_id, webhook_id),
  constraint webhook_exists foreign key (org_id, webhook_id) references events.webhook (org_id, id) on delete cascade,
  constraint failing_has_a_beginning check ((failures = 0) = (failing_since is null))
);

comment on table events.webhook_state is
  'How a webhook fares; apart from it because it changes with each delivery and is nobody''s work';
comment on column events.webhook_state.failures is 'Failed attempts in a row';
comment on column events.webhook_state.resume_at is 'Nothing is sent before: it failed several times in a row';

alter table events.webhook_state enable row level security;
alter table events.webhook_state force row level security;

create table events.webhook_delivery (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  webhook_id uuid not null,
  event_id uuid not null,
  event_xid xid8 not null,
  event_type text not null,
  state text not null default 'WAITING',
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  last_error text,
  constraint webhook_delivery_pkey primary key (org_id, id),
  constraint webhook_exists foreign key (org_id, webhook_id) references events.webhook (org_id, id) on delete cascade,
  constraint event_delivered_once unique (org_id, webhook_id, event_id),
  constraint state_known check (state in ('WAITING', 'DELIVERED', 'DEAD', 'SKIPPED')),
  constraint finished_unless_waiting check ((finished_at is null) = (state = 'WAITING'))
);

comment on table events.webhook_delivery is 'Events on their way to a webhook; kept for some time after (events.purge_delivered)';
comment on column events.webhook_delivery.state is
  'WAITING; DELIVERED: answered with 2xx; DEAD: given up; SKIPPED: the user of the webhook may not see the event';

create index webhook_delivery_waiting_idx on events.webhook_delivery (org_id, webhook_id, next_attempt_at)
where state = 'WAITING';
create index webhook_delivery_finished_at_idx on events.webhook_delivery (org_id, finished_at);

alter table events.webhook_delivery enable row level security;
alter table events.webhook_delivery force row level security;

create table events.webhook_attempt (
  org_id uuid not null,
  id uuid not null default uuidv7(),
  delivery_id uuid not null,
  attempted_at timestamptz not null,
  milliseconds integer not null,
  http_status integer,
  error text,
  answer text,
  constraint webhook_attempt_pkey primary key (org_id, id),
  constraint delivery_exists foreign key (org_id, delivery_id)
    references events.webhook_delivery (org_id, id) on delete cascade,
  constraint answer_is_short check (length(answer) <= 1000)
);

comment on table events.webhook_attempt is 'Each attempt at a delivery, and what came of it';
comment on column events.webhook_attempt.error is 'Why there was no answer; null: there was one';
comment on column events.webhook_attempt.answer is 'The beginning of the body of the answer';

create index webhook_attempt_delivery_id_idx on events.webhook_attempt (org_id, delivery_id, id);

alter table events.webhook_attempt enable row level security;
alter table events.webhook_attempt force row level security;
