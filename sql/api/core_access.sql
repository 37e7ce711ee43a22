-- Sessions, API keys and security events: the views that PostgREST exposes.

create view api.sessions
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.user_id,
  t.api_key_id,
  t.created_at,
  t.last_refresh_at,
  t.expires_at,
  t.revoked_at,
  t.revoked_because,
  t.revoked_at is null and t.expires_at > now() and t.is_admitted as is_open,
  t.id = (select (core.claims() ->> 'sid')::uuid) as is_current,
  t.is_limited,
  t.address,
  t.user_agent
from core.session as t;

comment on view api.sessions is
  E'Sessions\n'
  'Sign-ins of the user, with core.session.read of all users of the organisation. Open ones: is_open=is.true. Ended '
  'with POST /rpc/session_revoke.';
comment on column api.sessions.org_id is 'Organisation that it is for; null: a SUPER_ADMIN in none';
comment on column api.sessions.id is 'Id: a version 7 UUID, in order of time; the sid of its tokens';
comment on column api.sessions.user_id is 'The user';
comment on column api.sessions.api_key_id is 'The API key that opened it; null: a person';
comment on column api.sessions.created_at is 'When the user signed in';
comment on column api.sessions.last_refresh_at is 'When its tokens were last renewed';
comment on column api.sessions.expires_at is 'When it ends unless it is renewed';
comment on column api.sessions.revoked_at is 'When it was ended before its time';
comment on column api.sessions.revoked_because is
  'SIGN_OUT, REVOKED, REFRESH_REUSED, PASSWORD_CHANGED, USER_DISABLED or SECOND_FACTOR_RESET';
comment on column api.sessions.is_open is 'Whether its tokens are accepted';
comment on column api.sessions.is_current is 'Whether it is the session of this request';
comment on column api.sessions.is_limited is 'May only set up the second factor that a role requires';
comment on column api.sessions.address is 'Where it was opened or last renewed from';
comment on column api.sessions.user_agent is 'What the client called itself';

create view api.api_keys
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.user_id,
  t.name,
  t.prefix,
  t.permissions,
  t.expires_at,
  t.revoked_at,
  t.revoked_by,
  t.last_used_at,
  t.last_used_address,
  t.created_at,
  t.created_by
from core.api_key as t;

comment on view api.api_keys is
  E'API keys\n'
  'Keys of the user, with core.api_key.read of all users of the organisation. Made with POST /rpc/api_key_create, ended '
  'with POST /rpc/api_key_revoke.';
comment on column api.api_keys.org_id is 'Organisation that the row belongs to; set from the token';
comment on column api.api_keys.id is 'Id: a version 7 UUID, in order of time';
comment on column api.api_keys.user_id is 'User as whom it signs in';
comment on column api.api_keys.name is 'What it is for';
comment on column api.api_keys.prefix is 'The first characters of the key, to tell keys apart';
comment on column api.api_keys.permissions is 'What it may do at most: codes of /permissions';
comment on column api.api_keys.expires_at is 'When it ends';
comment on column api.api_keys.revoked_at is 'When it was ended before its time';
comment on column api.api_keys.revoked_by is 'User who ended it';
comment on column api.api_keys.last_used_at is 'When it last signed in';
comment on column api.api_keys.last_used_address is 'Where from';
comment on column api.api_keys.created_at is 'When it was made';
comment on column api.api_keys.created_by is 'User who made it';

create view api.security_events
with (security_invoker = true) as
select
  t.org_id,
  t.id,
  t.kind,
  t.user_id,
  t.actor_id,
  t.session_id,
  t.address,
  t.details,
  t.happened_at
from core.security_event as t;

comment on view api.security_events is
  E'Security events\n'
  'What happened to the account of the user, with core.security_event.read to all users of the organisation. '
  'Append-only.';
comment on column api.security_events.org_id is
  'Organisation that is shown it; null: it concerns an account of several organisations, or of none';
comment on column api.security_events.id is 'Id: a version 7 UUID, in order of time';
comment on column api.security_events.kind is
  'ACCOUNT_LOCKED, ADDRESS_LOCKED, RESET_LOCKED, REFRESH_REUSED, SESSION_REVOKED, PASSWORD_CHANGED, PASSWORD_RESET, '
  'SECOND_FACTOR_SET, SECOND_FACTOR_REMOVED, SECOND_FACTOR_RESET, SIGNATURE_REFUSED, API_KEY_CREATED, '
  'API_KEY_REVOKED, USER_CREATED, USER_DISABLED or USER_ENABLED';
comment on column api.security_events.user_id is 'User whom it concerns';
comment on column api.security_events.actor_id is 'User who did it; null: somebody who was not signed in, or the tools';
comment on column api.security_events.session_id is 'Session in which it happened';
comment on column api.security_events.address is 'Where the request came from';
comment on column api.security_events.details is 'More about it, by kind';
comment on column api.security_events.happened_at is 'When';
