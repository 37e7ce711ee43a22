-- Asks for a way to set a forgotten password.

-- Definer: who asks is nobody.
create or replace function api.password_reset_request(email text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_account text := core.account_subject(coalesce(password_reset_request.email, ''), 'reset');
  v_address text := core.address_subject('reset_address');
  v_wait integer;
  v_user core.app_user;
begin
  perform core.begin_sign_in();
  v_wait := core.seconds_locked(array[v_address]);
  if v_wait > 0 then
    return core.answer_error('core.sign_in_locked', jsonb_build_object('seconds', v_wait), v_wait);
  end if;
  select * into v_user from core.app_user as u where lower(u.email) = lower(btrim(password_reset_request.email));
  -- Nobody's mailbox is filled: one message a minute, and fewer for who asks often.
  if v_user.is_active and core.seconds_locked(array[v_account]) = 0
    and not exists (
      select from core.password_reset as r
      where r.user_id = v_user.id and r.created_at > clock_timestamp() - interval '1 minute'
    )
  then
    perform core.send_password_token(
      v_user.id, v_user.email, 'PASSWORD_RESET',
      make_interval(mins => (core.installation_setting('core.password_reset_minutes') #>> '{}')::integer)
    );
  end if;
  perform core.count_failure(v_account, v_user.id);
  perform core.count_failure(v_address);
  return jsonb_build_object('accepted', true);
end
$$;

comment on function api.password_reset_request(text) is
  E'Ask for a message to set a new password\n'
  'Answers {"accepted": true} whether there is such a user or not. The message holds a token for password_reset, good '
  'once and for 30 minutes. Errors: core.sign_in_locked (429).';

grant execute on function api.password_reset_request(text) to anon, partner, member, superadmin;
