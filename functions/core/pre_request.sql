-- What runs before each request of the API: who is this, may he still come in, and has he what he asks for already?

-- Definer: a user need not be able to read what is checked here.
create or replace function core.pre_request()
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_role text := current_setting('role');
  v_headers jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  v_token record;
  v_session core.session;
  v_ignored text; -- an assignment takes less than a statement, and all of this runs for every request
begin
  -- Nothing here may write a table: GET runs read only.
  if v_headers ? 'x-request-id' then
    v_ignored := set_config('application_name', left(v_headers ->> 'x-request-id', 63), true);
  end if;
  if v_role = 'anon' then
    return;
  end if;

  begin
    select t.*
    into v_token
    from jsonb_to_record(core.claims()) as t (sub uuid, org_id uuid, partner_id uuid, sid uuid, api_key uuid, iss text);
  exception
    when invalid_text_representation then
      perform core.raise_error('core.token_malformed');
  end;
  if v_token.sub is null then
    perform core.raise_error('core.token_malformed');
  elsif v_token.org_id is null and v_role in ('member', 'partner') then
    perform core.raise_error('core.organization_missing');
  end if;
  -- From here on core.org_id() need not read the claims.
  v_ignored := set_config('erpgres.org_id', v_token.org_id::text, true);

  if v_token.sid is null then
    -- A token of an outside provider has no session.
    perform core.check_outside_token(v_token.iss, v_role, v_token.partner_id);
  else
    -- A token of ours ends with its session, which knows whether its user may come in (core.readmit).
    select * into v_session from core.session as s where s.id = v_token.sid;
    if not found
      or v_session.user_id <> v_token.sub
      or v_session.org_id is distinct from v_token.org_id
      or v_session.partner_id is distinct from v_token.partner_id
      or v_session.api_key_id is distinct from v_token.api_key
    then
      perform core.raise_error('core.session_ended');
    elsif v_session.role <> v_role then
      perform core.raise_error('core.role_mismatch');
    elsif not v_session.is_admitted or v_session.revoked_at is not null or v_session.expires_at <= now() then
      v_session.api_key_id := null; -- one that ended is no reason to tell the user that he is not active
      perform core.raise_error(
        case
          when v_session.revoked_because <> 'USER_DISABLED' or core.is_admitted(v_session) then 'core.session_ended'
          else 'core.user_inactive'
        end
      );
    elsif v_session.is_limited
      and current_setting('request.path', true) not in ('/rpc/me', '/rpc/totp_begin', '/rpc/totp_confirm', '/rpc/sign_out')
    then
      perform core.raise_error('core.second_factor_setup');
    end if;
  end if;

  if current_setting('request.method', true) in ('GET', 'HEAD') then
    -- A session is one user's in one organisation.
    v_ignored := core.tag_answer(
      v_headers, v_role, v_token.org_id,
      coalesce(v_token.sid::text, concat_ws(' ', v_token.sub, v_token.org_id, v_token.partner_id)),
      v_token.api_key is not null
    );
  elsif v_headers ? 'if-match' then
    perform core.expect_version(v_headers ->> 'if-match');
  end if;
end
$$;

comment on function core.pre_request() is
  'Runs before each request (db-pre-request): puts the request id into application_name, and refuses with 401 a token that '
  'is malformed, lacks an organisation, whose session is not of this user, organisation, partner, API key and role, has '
  'ended, or does not admit him (any more), with 403 all but setting up a second factor where that is still to be done. '
  'Gives the answer to a GET its tag and cache class, and ends it with 304 when the client has it (core.tag_answer); lets '
  'a PATCH or DELETE with If-Match look at the version of the row (core.expect_version).';

grant execute on function core.pre_request() to anon, partner, member, superadmin, migrator;

create or replace function core.check_outside_token(issuer text, role text, partner_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_session core.session;
  v_kind text;
begin
  if not exists (
    select from core.identity_provider as p where p.issuer = check_outside_token.issuer and p.is_active
  ) then
    perform core.raise_error('core.session_ended');
  end if;
  select u.kind into v_kind from core.app_user as u where u.id = core.user_id();
  if (check_outside_token.role, v_kind)
    not in (('member', 'INTERNAL'), ('partner', 'EXTERNAL'), ('superadmin', 'SUPER_ADMIN'))
  then
    perform core.raise_error('core.role_mismatch');
  end if;
  v_session.user_id := core.user_id();
  v_session.org_id := core.org_id();
  v_session.role := check_outside_token.role;
  v_session.partner_id := check_outside_token.partner_id;
  if not core.is_admitted(v_session) then
    perform core.raise_error('core.user_inactive');
  end if;
end
$$;

comment on function core.check_outside_token(text, text, uuid) is
  'Refuse (401) a token without a session unless an identity provider of the installation issued it and its user may come '
  'in, as a session would tell of a token of ours';
