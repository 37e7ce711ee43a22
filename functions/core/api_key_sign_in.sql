-- Signs in with an API key.

-- Definer: who has the key is nobody yet.
create or replace function api.api_key_sign_in(key text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key core.api_key;
  v_user core.app_user;
  v_claims jsonb;
begin
  perform core.begin_sign_in();
  select *
  into v_key
  from core.api_key as k
  where k.key_hash = sha256(convert_to(api_key_sign_in.key, 'UTF8'))
    and k.revoked_at is null
    and k.expires_at > clock_timestamp();
  if not found then
    return core.answer_error('core.api_key_failed');
  end if;
  select * into v_user from core.app_user as u where u.id = v_key.user_id and u.is_active;
  if found then
    v_claims := core.sign_in_claims(v_user.id, v_user.kind, v_key.org_id::text);
  end if;
  if v_claims is null then
    return core.answer_error('core.user_inactive');
  end if;
  update core.api_key as k
  set last_used_at = clock_timestamp(), last_used_address = core.client_address()
  where k.org_id = v_key.org_id and k.id = v_key.id;
  return core.give_tokens(
    core.open_session(
      v_user.id, v_key.org_id,
      least(
        v_key.expires_at,
        clock_timestamp()
        + make_interval(mins => (core.installation_setting('core.access_token_minutes') #>> '{}')::integer)
      ),
      api_key_id => v_key.id
    ),
    v_claims
  );
end
$$;

comment on function api.api_key_sign_in(text) is
  E'Sign in with an API key\n'
  'Returns what sign_in returns, without a refresh token: sign in again when the token has expired. The token may do '
  'what the key and its user both may. Errors: core.api_key_failed, core.user_inactive (401).';

grant execute on function api.api_key_sign_in(text) to anon, partner, member, superadmin;
