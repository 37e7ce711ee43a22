-- domain: core
-- why: users sign in: signing keys, passwords, second factors, messages, and what is kept of failed attempts
-- locks: core.role and core.setting_definition, access exclusive for an instant (a column with a constant default)
-- breaking: no

alter table core.role add column requires_second_factor boolean not null default false;

comment on column core.role.requires_second_factor is 'Who holds it signs in with a one-time password as well';

alter table core.setting_definition add column is_global boolean not null default false;

comment on table core.setting_definition is
  'Settings with type, default and meaning: those that an organisation may change, and those of the installation';
comment on column core.setting_definition.is_global is
  'Holds for the installation: set in core.installation_setting by the tools, not by an organisation';

create table core.installation_setting (
  code text constraint installation_setting_pkey primary key,
  value jsonb not null,
  updated_at timestamptz not null default now(),
  constraint setting_defined foreign key (code) references core.setting_definition (code)
);

comment on table core.installation_setting is
  'Values that the installation gives to settings in place of the default; an organisation may override those that are '
  'not global';

create table core.signing_key (
  kid text constraint signing_key_pkey primary key,
  secret text not null,
  created_at timestamptz not null default now(),
  retires_at timestamptz,
  constraint secret_long_enough check (octet_length(secret) >= 32),
  constraint kid_is_plain check (kid ~ '^[A-Za-z0-9_-]{1,64}$')
);

comment on table core.signing_key is
  'Keys that access tokens are signed with (HS256). The newest that is not retired signs; the tools bring them from the '
  'state directory.';

create table core.identity_provider (
  issuer text constraint identity_provider_pkey primary key,
  name text not null,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  constraint issuer_not_blank check (btrim(issuer) <> ''),
  constraint name_not_blank check (btrim(name) <> '')
);

comment on table core.identity_provider is
  'Outside services whose tokens are believed. Such a token has iss, and role, sub and org_id as ours have, but no session.';

create table core.common_password (
  password text constraint common_password_pkey primary key,
  constraint password_is_lower_case check (password = lower(password) and password <> '')
);

comment on table core.common_password is 'Passwords, and words that passwords are made of, which everybody tries first';

create table core.credential (
  user_id uuid constraint credential_pkey primary key,
  password_hash text not null,
  changed_at timestamptz not null default now(),
  constraint user_exists foreign key (user_id) references core.app_user (id),
  constraint hash_is_bcrypt check (password_hash ~ '^\$2[aby]\$[0-9]{2}\$.{53}$')
);

comment on table core.credential is
  'The password of a user: bcrypt of the base64 text of its SHA-256, because bcrypt itself ignores all after 72 bytes';

create table core.password_history (
  id uuid constraint password_history_pkey primary key default uuidv7(),
  user_id uuid not null,
  password_hash text not null,
  replaced_at timestamptz not null default now(),
  constraint user_exists foreign key (user_id) references core.app_user (id)
);

comment on table core.password_history is 'Passwords that a user had before and may not take again yet';

create index password_history_user_id_idx on core.password_history (user_id, id);

create table core.password_reset (
  token_hash bytea constraint password_reset_pkey primary key,
  user_id uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint user_exists foreign key (user_id) references core.app_user (id),
  constraint token_hash_is_sha256 check (octet_length(token_hash) = 32)
);

comment on table core.password_reset is 'Tokens that let a user set a password once without the old one';

create index password_reset_user_id_idx on core.password_reset (user_id);

create table core.message_outbox (
  id uuid constraint message_outbox_pkey primary key default uuidv7(),
  kind text not null,
  recipient text not null,
  payload jsonb not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  sent_at timestamptz,
  attempts integer not null default 0,
  last_error text,
  constraint message_kind_known check (kind in ('INVITATION', 'PASSWORD_RESET', 'PASSWORD_CHANGED')),
  constraint attempts_not_negative check (attempts >= 0)
);

comment on table core.message_outbox is
  'Messages to people that wait for delivery. The payload may hold a token: it is emptied when the message is sent.';

create index message_outbox_unsent_idx on core.message_outbox (id) where sent_at is null;

create table core.second_factor (
  user_id uuid constraint second_factor_pkey primary key,
  secret bytea not null,
  created_at timestamptz not null default now(),
  confirmed_at timestamptz,
  last_step bigint,
  constraint user_exists foreign key (user_id) references core.app_user (id),
  constraint secret_is_160_bits check (octet_length(secret) = 20)
);

comment on table core.second_factor is 'The secret of a user''s time-based one-time passwords (RFC 6238)';
comment on column core.second_factor.last_step is 'The last 30 seconds whose code was used: it and earlier ones are refused';

create table core.sign_in_failure (
  subject text constraint sign_in_failure_pkey primary key,
  window_started_at timestamptz not null default now(),
  failures integer not null default 0,
  locks integer not null default 0,
  locked_until timestamptz,
  updated_at timestamptz not null default now(),
  constraint subject_is_kind_and_value check (subject ~ '^(account|address|reset|reset_address):.'),
  constraint failures_not_negative check (failures >= 0 and locks >= 0)
);

comment on table core.sign_in_failure is
  'Failed attempts by account (a hash of the e-mail address, known or not) and by network address, and how long it is locked';

create index sign_in_failure_updated_at_idx on core.sign_in_failure (updated_at);
