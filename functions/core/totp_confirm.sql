-- Ends setting up a second factor.

-- Definer: nobody reads or writes second factors.
create or replace function api.totp_confirm(code text)
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
  if not exists (select from core.second_factor as f where f.user_id = v_user_id and f.confirmed_at is null) then
    perform core.raise_error('core.second_factor_not_begun');
  end if;
  v_wait := core.seconds_locked(array[v_account]);
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;
  if not core.accept_code(v_user_id, totp_confirm.code) then
    perform core.count_failure(v_account, v_user_id);
    return core.answer_error('core.code_wrong');
  end if;
  update core.second_factor as f set confirmed_at = clock_timestamp() where f.user_id = v_user_id;
  update core.session as s set is_limited = false where s.user_id = v_user_id and s.is_limited;
  perform core.log_security('SECOND_FACTOR_SET', v_user_id, (v_claims ->> 'sid')::uuid);
  return jsonb_build_object('confirmed', true);
end
$$;

comment on function api.totp_confirm(text) is
  E'Confirm the second factor with a code of the app\n'
  'From then on signing in needs a code. A session that could only set it up is a full one at once. Returns confirmed. '
  'Errors: core.code_wrong, core.api_key_refused (403), core.second_factor_not_begun (409), core.sign_in_locked (429).';

grant execute on function api.totp_confirm(text) to partner, member, superadmin;
