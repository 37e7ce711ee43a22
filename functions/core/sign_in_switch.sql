-- Gives tokens for another organisation of the user.

-- Definer: the other organisation is not seen with the present token.
create or replace function api.sign_in_switch(organization text)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user core.app_user;
  v_sid uuid := (core.claims() ->> 'sid')::uuid;
  v_expires_at timestamptz;
  v_claims jsonb;
begin
  perform core.require_person();
  select * into v_user from core.app_user as u where u.id = core.user_id();
  select s.expires_at into v_expires_at from core.session as s where s.id = v_sid;
  v_claims := core.sign_in_claims(v_user.id, v_user.kind, coalesce(sign_in_switch.organization, ''));
  if v_claims is null then
    perform core.raise_error('core.organization_refused');
  end if;
  return core.give_tokens(
    core.open_session(
      v_user.id, (v_claims ->> 'org_id')::uuid,
      least(core.session_end(clock_timestamp()), v_expires_at), -- not longer than the sign-in that it stands on
      core.must_set_up_second_factor()
    ),
    v_claims
  );
end
$$;

comment on function api.sign_in_switch(text) is
  E'Work in another organisation\n'
  'organization: code or id of an organisation that the user belongs to. Opens a session there, which lasts no longer '
  'than the present one; the present one stays open. Returns what sign_in returns. Errors: core.organization_refused '
  '(401), core.api_key_refused (403).';

grant execute on function api.sign_in_switch(text) to partner, member, superadmin;
