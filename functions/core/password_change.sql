-- Changes one's own password.

-- Definer: nobody reads or writes passwords.
create or replace function api.password_change(old_password text, new_password text)
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
  v_email text := (select u.email from core.app_user as u where u.id = core.user_id());
  v_account text := core.account_subject(v_email);
  v_wait integer;
  v_ended integer;
begin
  perform core.require_person();
  perform core.begin_sign_in();
  perform core.act_as(v_claims);
  v_wait := core.seconds_locked(array[v_account]);
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;
  if not core.take_password_slot() then
    return core.answer_error('core.busy', retry_after => 1);
  end if;
  if not core.password_matches(
    password_change.old_password, (select c.password_hash from core.credential as c where c.user_id = v_user_id)
  ) then
    perform core.count_failure(v_account, v_user_id);
    return core.answer_error('core.password_wrong');
  end if;
  perform core.set_password(v_user_id, password_change.new_password);
  v_ended := core.end_sessions(v_user_id, 'PASSWORD_CHANGED', except_id => (v_claims ->> 'sid')::uuid);
  perform core.log_security('PASSWORD_CHANGED', v_user_id, (v_claims ->> 'sid')::uuid);
  perform core.send_message('PASSWORD_CHANGED', v_email, '{}', interval '7 days');
  return jsonb_build_object('changed', true, 'ended', v_ended);
end
$$;

comment on function api.password_change(text, text) is
  E'Change the password\n'
  'Ends all other sessions of the user. Returns changed and ended, how many sessions. Errors: core.password_wrong, '
  'core.api_key_refused (403), core.password_weak, core.password_used_before (422), core.sign_in_locked (429), '
  'core.busy (503).';

grant execute on function api.password_change(text, text) to partner, member, superadmin;
