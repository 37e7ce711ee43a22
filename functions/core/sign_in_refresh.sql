-- Gives new tokens for a refresh token.

-- Definer: who asks is nobody yet.
create or replace function api.sign_in_refresh(refresh_token text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_token core.refresh_token;
  v_session core.session;
  v_user core.app_user;
  v_claims jsonb;
begin
  perform core.begin_sign_in();
  -- Locked: of two requests with one token the second finds it spent.
  select *
  into v_token
  from core.refresh_token as t
  where t.token_hash = sha256(convert_to(sign_in_refresh.refresh_token, 'UTF8'))
  for update;
  select * into v_session from core.session as s where s.id = v_token.session_id for update;
  if v_session.id is null or v_session.revoked_at is not null
    or least(v_session.expires_at, v_token.expires_at) <= clock_timestamp()
  then
    return core.answer_error('core.session_ended');
  end if;
  if v_token.spent_at is not null then
    -- Two tabs, or an answer that was lost: nothing is given and nothing taken.
    if v_token.spent_at > clock_timestamp()
      - make_interval(secs => (core.installation_setting('core.refresh_grace_seconds') #>> '{}')::integer)
    then
      return core.answer_error('core.refresh_repeated');
    end if;
    perform core.end_session(v_session.id, 'REFRESH_REUSED');
    perform core.log_security('REFRESH_REUSED', v_session.user_id, v_session.id, v_session.org_id);
    return core.answer_error('core.refresh_reused');
  end if;

  select * into v_user from core.app_user as u where u.id = v_session.user_id;
  if v_user.is_active then
    v_claims := core.sign_in_claims(v_user.id, v_user.kind, v_session.org_id::text);
  end if;
  if v_claims is null then
    return core.answer_error('core.user_inactive');
  end if;
  update core.refresh_token as t set spent_at = clock_timestamp() where t.token_hash = v_token.token_hash;
  update core.session as s
  set
    last_refresh_at = clock_timestamp(),
    expires_at = core.session_end(s.created_at),
    is_limited = core.must_set_up_second_factor(),
    address = core.client_address()
  where s.id = v_session.id;
  return core.give_tokens(v_session.id, v_claims);
end
$$;

comment on function api.sign_in_refresh(text) is
  E'Get new tokens for a refresh token\n'
  'Each refresh token is good once: keep the new one. A spent one ends the session, except within ten seconds of its '
  'use, when it is refused only. Returns what sign_in returns. Errors: core.session_ended, core.refresh_reused, '
  'core.user_inactive (401), core.refresh_repeated (409).';

grant execute on function api.sign_in_refresh(text) to anon, partner, member, superadmin;
