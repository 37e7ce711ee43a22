-- Removes one's own second factor.

-- Definer: nobody reads or writes second factors.
create or replace function api.totp_disable(password text, code text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_user_id uuid := core.user_id();
  v_account text := core.account_subject((select u.email from core.app_user as u where u.id = core.user_id()));
  v_wait integer;
begin
  perform core.require_person();
  perform core.begin_sign_in();
  perform core.act_as(v_claims);
  if not exists (select from core.second_factor as f where f.user_id = v_user_id and f.confirmed_at is not null) then
    perform core.raise_error('core.second_factor_not_begun');
  end if;
  v_wait := core.seconds_locked(array[v_account]);
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;
  if not core.take_password_slot() then
    return core.answer_error('core.busy', retry_after => 1);
  end if;
  if not (
    core.password_matches(
      totp_disable.password, (select c.password_hash from core.credential as c where c.user_id = v_user_id)
    )
    and core.accept_code(v_user_id, totp_disable.code)
  ) then
    perform core.count_failure(v_account, v_user_id);
    return core.answer_error('core.password_wrong');
  end if;
  delete from core.second_factor as f where f.user_id = v_user_id;
  perform core.log_security('SECOND_FACTOR_REMOVED', v_user_id, (v_claims ->> 'sid')::uuid);
  return jsonb_build_object('disabled', true);
end
$$;

comment on function api.totp_disable(text, text) is
  E'Remove the second factor\n'
  'Needs the password and a code. Where a role requires a second factor, the next sign-in or refresh asks for a new '
  'one. Returns disabled. Errors: core.password_wrong, core.api_key_refused (403), core.second_factor_not_begun (409), '
  'core.sign_in_locked (429), core.busy (503).';

grant execute on function api.totp_disable(text, text) to partner, member, superadmin;
