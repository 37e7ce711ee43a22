-- domain: core
-- why: a sign-in can be seen and ended: sessions with their refresh tokens, API keys, and a log of security events
-- locks: none (new objects)
-- breaking: no

create table core.api_key (
  org_id uuid not null default core.org_id(),
  id uuid not null default uuidv7(),
  user_id uuid not null,
  name text not null,
  prefix text not null,
  key_hash bytea not null,
  permissions text[] not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_by uuid,
  last_used_at timestamptz,
  last_used_address inet,
  created_at timestamptz not null default now(),
  created_by uuid default core.user_id(),
  constraint api_key_pkey primary key (org_id, id),
  constraint membership_exists foreign key (org_id, user_id) references core.membership (org_id, user_id),
  constraint api_key_hash_unique unique (key_hash),
  constraint key_hash_is_sha256 check (octet_length(key_hash) = 32),
  constraint name_not_blank check (btrim(name) <> ''),
  constraint api_key_expires_after_creation check (expires_at > created_at)
);

comment on table core.api_key is
  'Keys with which machines sign in as a user. A key may do what its permissions and those of its user both allow.';
comment on column core.api_key.key_hash is 'SHA-256 of the key, which is 256 random bits: a slow hash would add nothing';

create index api_key_user_id_idx on core.api_key (org_id, user_id);

create table core.session (
  id uuid constraint session_pkey primary key default uuidv7(),
  org_id uuid,
  user_id uuid not null,
  api_key_id uuid,
  is_limited boolean not null default false,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_refresh_at timestamptz,
  revoked_at timestamptz,
  revoked_because text,
  address inet,
  user_agent text,
  constraint user_exists foreign key (user_id) references core.app_user (id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint api_key_exists foreign key (org_id, api_key_id) references core.api_key (org_id, id),
  constraint api_key_is_of_an_organization check (api_key_id is null or org_id is not null),
  constraint revoked_for_a_known_reason check (
    (revoked_at is null) = (revoked_because is null)
    and revoked_because in ('SIGN_OUT', 'REVOKED', 'REFRESH_REUSED', 'PASSWORD_CHANGED', 'USER_DISABLED', 'SECOND_FACTOR_RESET')
  )
);

comment on table core.session is
  'A sign-in: every access token names one, and ends with it. All refresh tokens of a sign-in are of one session, which '
  'is their family.';
comment on column core.session.org_id is 'Organisation that it is for; null: a SUPER_ADMIN in none';
comment on column core.session.is_limited is 'May only set up the second factor that a role of the user requires';

create index session_user_id_idx on core.session (user_id, id);
create index session_org_id_idx on core.session (org_id, id);
create index session_api_key_id_idx on core.session (org_id, api_key_id);
create index session_expires_at_idx on core.session (expires_at);

create table core.refresh_token (
  token_hash bytea constraint refresh_token_pkey primary key,
  session_id uuid not null,
  issued_at timestamptz not null default now(),
  expires_at timestamptz not null,
  spent_at timestamptz,
  constraint session_exists foreign key (session_id) references core.session (id) on delete cascade,
  constraint token_hash_is_sha256 check (octet_length(token_hash) = 32)
);

comment on table core.refresh_token is 'Tokens for a new access token, hashed, each good once';

create index refresh_token_session_id_idx on core.refresh_token (session_id);

create table core.security_event (
  id uuid constraint security_event_pkey primary key default uuidv7(),
  org_id uuid,
  kind text not null,
  user_id uuid,
  actor_id uuid default core.user_id(),
  session_id uuid,
  address inet,
  details jsonb not null default '{}',
  happened_at timestamptz not null default now(),
  constraint user_exists foreign key (user_id) references core.app_user (id),
  constraint organization_exists foreign key (org_id) references core.organization (id),
  constraint security_event_kind_is_upper_case check (kind ~ '^[A-Z][A-Z_]*$')
);

comment on table core.security_event is
  'What somebody who watches over access must know: lock-outs, reuse of refresh tokens, changed passwords and factors. '
  'Append-only.';
comment on column core.security_event.org_id is 'Organisation that is shown it; null: the user belongs to several or none';

create index security_event_user_id_idx on core.security_event (user_id, id);
create index security_event_org_id_idx on core.security_event (org_id, id);

alter table core.api_key enable row level security;
alter table core.api_key force row level security;
alter table core.session enable row level security;
alter table core.session force row level security;
alter table core.security_event enable row level security;
alter table core.security_event force row level security;
