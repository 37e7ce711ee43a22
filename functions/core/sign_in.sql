-- Signs in with a password.

-- Definer: who signs in is nobody yet.
create or replace function api.sign_in(email text, password text, code text default null, organization text default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_account text := core.account_subject(coalesce(sign_in.email, ''));
  v_address text := core.address_subject();
  v_wait integer;
  v_user core.app_user;
  v_hash text;
  v_factor_at timestamptz;
  v_claims jsonb;
begin
  perform core.begin_sign_in();
  v_wait := core.seconds_locked(array[v_account, v_address]);
  if v_wait = 0 then
    if not core.take_password_slot() then
      return core.answer_error('core.busy', retry_after => 1);
    end if;
    -- Again: whoever had the slot before may have failed.
    v_wait := core.seconds_locked(array[v_account, v_address]);
  end if;
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;

  select * into v_user from core.app_user as u where lower(u.email) = lower(btrim(sign_in.email));
  select c.password_hash into v_hash from core.credential as c where c.user_id = v_user.id;
  if not core.password_matches(sign_in.password, v_hash) then
    perform core.count_failure(v_account, v_user.id);
    perform core.count_failure(v_address, v_user.id);
    return core.answer_error('core.sign_in_failed');
  end if;

  -- The password was right: from here on the user may be told what is wrong. A code is used up last.
  v_claims := case when v_user.is_active then core.sign_in_claims(v_user.id, v_user.kind, sign_in.organization) end;
  if v_claims is null then
    return core.answer_error(
      case when v_user.is_active and sign_in.organization is not null then 'core.organization_refused'
      else 'core.user_inactive' end
    );
  end if;
  select f.confirmed_at into v_factor_at from core.second_factor as f where f.user_id = v_user.id;
  if v_factor_at is not null then
    if coalesce(btrim(sign_in.code), '') = '' then
      return core.answer_error('core.second_factor_required');
    end if;
    if not core.accept_code(v_user.id, sign_in.code) then
      perform core.act_as('{"role": "anon"}'); -- nobody is signed in yet
      perform core.count_failure(v_account, v_user.id);
      perform core.count_failure(v_address, v_user.id);
      return core.answer_error('core.second_factor_wrong');
    end if;
  end if;

  delete from core.sign_in_failure as f where f.subject = v_account;
  if split_part(v_hash, '$', 3)::integer <> core.password_hash_cost() then
    update core.credential as c set password_hash = core.hash_password(sign_in.password) where c.user_id = v_user.id;
  end if;
  return core.give_tokens(
    core.open_session(
      v_user.id, (v_claims ->> 'org_id')::uuid, core.session_end(clock_timestamp()), core.must_set_up_second_factor()
    ),
    v_claims
  );
end
$$;

comment on function api.sign_in(text, text, text, text) is
  E'Sign in\n'
  'code: the one-time password, for who has a second factor. organization: code or id; left out, the one of the last '
  'sign-in. Returns access_token, token_type, expires_in (seconds), refresh_token, refresh_expires_at, session_id, '
  'second_factor_setup (the session may only set up a second factor), user, organization, organizations. Errors: '
  'core.sign_in_failed, core.second_factor_required, core.second_factor_wrong, core.organization_refused, '
  'core.user_inactive (401), core.sign_in_locked (429, Retry-After), core.busy (503, Retry-After).';

grant execute on function api.sign_in(text, text, text, text) to anon, partner, member, superadmin;
