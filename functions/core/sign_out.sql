-- Ends the session.

-- Definer: sessions are ended by functions only.
create or replace function api.sign_out("all" boolean default false)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_ended integer := 1;
begin
  if sign_out."all" then
    perform core.require_person();
    v_ended := core.end_sessions(core.user_id(), 'SIGN_OUT');
  else
    perform core.end_session((core.claims() ->> 'sid')::uuid, 'SIGN_OUT');
  end if;
  return jsonb_build_object('ended', v_ended);
end
$$;

comment on function api.sign_out(boolean) is
  E'Sign out\n'
  'Ends the session of the token, or with all those of the user everywhere: their tokens are refused at once. Returns '
  'ended, how many. Errors: core.api_key_refused (403).';

grant execute on function api.sign_out(boolean) to partner, member, superadmin;
