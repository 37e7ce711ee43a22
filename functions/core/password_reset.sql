-- Sets a password with a token from a message.

-- Definer: who has the token is nobody yet.
create or replace function api.password_reset(token text, new_password text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_reset core.password_reset;
  v_user core.app_user;
begin
  perform core.begin_sign_in();
  select *
  into v_reset
  from core.password_reset as r
  where r.token_hash = sha256(convert_to(password_reset.token, 'UTF8'))
  for update;
  if v_reset.user_id is not null and v_reset.used_at is null and v_reset.expires_at > clock_timestamp() then
    select * into v_user from core.app_user as u where u.id = v_reset.user_id and u.is_active;
  end if;
  if v_user.id is null then
    return core.answer_error('core.reset_token_refused');
  end if;
  if not core.take_password_slot() then
    return core.answer_error('core.busy', retry_after => 1);
  end if;
  perform core.act_as(jsonb_build_object('sub', v_user.id));
  perform core.set_password(v_user.id, password_reset.new_password);
  -- All tokens of the user: what he asked for is done.
  update core.password_reset as r set used_at = clock_timestamp() where r.user_id = v_user.id and r.used_at is null;
  delete from core.sign_in_failure as f where f.subject = core.account_subject(v_user.email);
  perform core.end_sessions(v_user.id, 'PASSWORD_CHANGED');
  perform core.log_security('PASSWORD_RESET', v_user.id);
  perform core.send_message('PASSWORD_CHANGED', v_user.email, '{}', interval '7 days');
  return jsonb_build_object('changed', true);
end
$$;

comment on function api.password_reset(text, text) is
  E'Set a new password with the token of a message\n'
  'Ends all sessions of the user; a second factor stays. Returns changed. Errors: core.reset_token_refused (401), '
  'core.password_weak, core.password_used_before (422: the token stays good), core.busy (503).';

grant execute on function api.password_reset(text, text) to anon, partner, member, superadmin;
