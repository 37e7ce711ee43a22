-- What runs before each request of the API: who is this, may he still come in, and has he what he asks for already?

-- Definer: a user need not be able to read what is checked here. Each expression is set up anew in each transaction, which
-- takes longer than evaluating it: so few of them, and what most requests do not need stands in functions of its own.
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
  v_claims jsonb;
  v_org_id uuid;
  v_has_api_key boolean;
  v_identity text;
  v_ignored text; -- an assignment takes less than a statement
begin
  -- Nothing here may write a table: GET runs read only. Without the header the name stays as it was.
  v_ignored := set_config('application_name', left(v_headers ->> 'x-request-id', 63), true);
  if v_role = 'anon' then
    perform core.apply_role_limits(v_role);
    return;
  end if;

  v_claims := core.claims();
  -- From here on core.org_id() need not read the claims.
  v_ignored := set_config('erpgres.org_id', v_claims ->> 'org_id', true);
  begin
    -- A token of ours, whose session lets in all that it names and nothing is left to do for: it ends with its session,
    -- which knows whether its user may come in (core.readmit).
    select s.org_id, s.api_key_id is not null, s.id
    into v_org_id, v_has_api_key, v_identity
    from core.session as s
    where s.id = (v_claims ->> 'sid')::uuid
      and s.user_id = (v_claims ->> 'sub')::uuid
      and s.org_id = (v_claims ->> 'org_id')::uuid
      and s.partner_id is not distinct from (v_claims ->> 'partner_id')::uuid
      and s.api_key_id is not distinct from (v_claims ->> 'api_key')::uuid
      and s.role = v_role
      and s.is_admitted
      and not s.is_limited
      and s.revoked_at is null
      and s.expires_at > now();
  exception
    when invalid_text_representation then
      null; -- core.examine_token says so
  end;
  if v_identity is null then
    v_identity := core.examine_token(v_claims, v_role);
    v_org_id := core.org_id();
    v_has_api_key := v_claims ->> 'api_key' is not null;
  end if;

  if current_setting('request.method', true) in ('GET', 'HEAD') then
    v_ignored := core.tag_answer(v_headers, v_role, v_org_id, v_identity, v_has_api_key);
  elsif v_headers ? 'if-match' then
    perform core.expect_version(v_headers ->> 'if-match');
  end if;
end
$$;

comment on function core.pre_request() is
  'Runs before each request (db-pre-request): puts the request id into application_name, sets the time limits of anon, and '
  'refuses with 401 a token that is malformed, lacks an organisation, whose session is not of this user, organisation, '
  'partner, API key and role, has ended, or does not admit him (any more), with 403 all but setting up a second factor where '
  'that is still to be done. Gives the answer to a GET its tag and cache class, and ends it with 304 when the client has it '
  '(core.tag_answer); lets a PATCH or DELETE with If-Match look at the version of the row (core.expect_version).';

grant execute on function core.pre_request() to anon, partner, member, superadmin, migrator;

create or replace function core.apply_role_limits(role text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform set_config(l.parts[1], l.parts[2], true)
  from (
    select regexp_match(c.setting, '^([a-z_]+_timeout)=(.*)$') as parts
    from pg_db_role_setting as s
    cross join unnest(s.setconfig) as c (setting)
    where s.setrole = apply_role_limits.role::regrole
      and s.setdatabase = 0
  ) as l
  where l.parts is not null;
end
$$;

comment on function core.apply_role_limits(text) is
  'Let the time limits of a role hold for the rest of the transaction. PostgREST connects as authenticator and keeps its limits '
  'when it switches to another role; those of partner, member and superadmin are the same, those of anon are shorter.';

create or replace function core.examine_token(claims jsonb, role text)
returns text
language plpgsql
stable
parallel safe
as $$
declare
  v_token record;
  v_session core.session;
begin
  begin
    select t.*
    into v_token
    from jsonb_to_record(examine_token.claims) as t (
      sub uuid, org_id uuid, partner_id uuid, sid uuid, api_key uuid, iss text
    );
  exception
    when invalid_text_representation then
      perform core.raise_error('core.token_malformed');
  end;
  if v_token.sub is null then
    perform core.raise_error('core.token_malformed');
  elsif v_token.org_id is null and examine_token.role in ('member', 'partner') then
    perform core.raise_error('core.organization_missing');
  elsif v_token.sid is null then
    perform core.check_outside_token(v_token.iss, examine_token.role, v_token.partner_id);
    return concat_ws(' ', v_token.sub, v_token.org_id, v_token.partner_id);
  end if;

  select * into v_session from core.session as s where s.id = v_token.sid;
  if not found
    or v_session.user_id <> v_token.sub
    or v_session.org_id is distinct from v_token.org_id
    or v_session.partner_id is distinct from v_token.partner_id
    or v_session.api_key_id is distinct from v_token.api_key
  then
    perform core.raise_error('core.session_ended');
  elsif v_session.role <> examine_token.role then
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
  return v_token.sid;
end
$$;

comment on function core.examine_token(jsonb, text) is
  'Refuse a token that core.pre_request() did not find to be in order, with the reason, or find it in order after all: one of '
  'an outside provider, of a SUPER_ADMIN in no organisation, of a session that may only set up a second factor. Returns of '
  'whom it is: the session, or user, organisation and partner.';

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
