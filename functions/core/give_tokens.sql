-- The answer of a successful sign-in.

create or replace function core.give_tokens(session_id uuid, claims jsonb)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_minutes numeric := (core.installation_setting('core.access_token_minutes') #>> '{}')::numeric;
  v_session core.session;
  v_refresh_token text;
begin
  select * into v_session from core.session as s where s.id = give_tokens.session_id;
  -- No token outlives its session: the gateway may believe a token without asking (docs/caching/gateway.md).
  v_minutes := least(v_minutes, floor(extract(epoch from v_session.expires_at - clock_timestamp())) / 60);
  if v_session.api_key_id is null then
    v_refresh_token := core.make_secret('ert_');
    insert into core.refresh_token (token_hash, session_id, expires_at)
    values (sha256(convert_to(v_refresh_token, 'UTF8')), v_session.id, v_session.expires_at);
  end if;
  perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
  return jsonb_build_object(
    'access_token', core.sign_token(
      give_tokens.claims || jsonb_strip_nulls(jsonb_build_object('sid', v_session.id, 'api_key', v_session.api_key_id)),
      v_minutes
    ),
    'token_type', 'Bearer',
    'expires_in', round(v_minutes * 60),
    'refresh_token', v_refresh_token,
    'refresh_expires_at', case when v_refresh_token is not null then v_session.expires_at end,
    'session_id', v_session.id,
    'second_factor_setup', v_session.is_limited,
    'user', (
      select jsonb_build_object('id', u.id, 'email', u.email, 'name', u.name, 'kind', u.kind)
      from core.app_user as u
      where u.id = v_session.user_id
    ),
    'organization', (
      select jsonb_build_object('id', o.id, 'code', o.code, 'name', o.name)
      from core.organization as o
      where o.id = v_session.org_id
    ),
    'organizations', core.my_organizations()
  );
end
$$;

comment on function core.give_tokens(uuid, jsonb) is
  'An access token and, unless an API key opened the session, a refresh token of the session, with who and where the '
  'user is. Nothing of it may be cached.';
