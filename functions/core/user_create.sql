-- Makes a user of the organisation, or takes in one who has an account.

-- Definer: nobody sees who else has an account.
create or replace function api.user_create(
  email text, name text, roles text[] default '{}', partner_id uuid default null, unit_id uuid default null
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_email text := lower(btrim(user_create.email));
  v_kind text := case when user_create.partner_id is null then 'INTERNAL' else 'EXTERNAL' end;
  v_user core.app_user;
  v_id uuid;
  v_unknown text;
begin
  perform core.require_permission('core.user.create', user_create.unit_id);
  if cardinality(user_create.roles) > 0 then
    perform core.require_permission('core.user_role.create', user_create.unit_id);
  elsif not core.has_permission('core.user.create') then
    perform core.raise_error('core.user_without_role');
  end if;
  if core.org_id() is null then
    perform core.raise_error('core.organization_missing');
  end if;
  if user_create.partner_id is not null and not exists (
    select from core.partner as p
    where p.org_id = core.org_id() and p.id = user_create.partner_id and p.status <> 'INACTIVE'
  ) then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'partner', 'id', user_create.partner_id));
  end if;
  select w
  into v_unknown
  from unnest(user_create.roles) as w
  where not exists (select from core.role as r where r.org_id = core.org_id() and r.code = w)
  limit 1;
  if v_unknown is not null then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'role', 'id', v_unknown));
  end if;

  if user_create.unit_id is not null then
    if not exists (
      select from core.org_unit as u where u.org_id = core.org_id() and u.id = user_create.unit_id and u.is_active
    ) then
      perform core.raise_error('core.not_found', jsonb_build_object('entity', 'unit', 'id', user_create.unit_id));
    elsif not core.has_permission('core.user_role.create') and exists (
      select from core.role as r where r.org_id = core.org_id() and r.code = any (user_create.roles) and r.is_administrator
    ) then
      perform core.raise_error('core.role_too_high');
    end if;
  end if;

  -- An account elsewhere is seen by nobody but this statement.
  perform core.act_as('{"role": "anon"}');
  select * into v_user from core.app_user as u where lower(u.email) = v_email;
  perform core.act_as(v_claims);
  if v_user.id is not null and (
    (v_user.kind, v_kind) is distinct from ('INTERNAL', 'INTERNAL')
    or exists (select from core.membership as m where m.org_id = core.org_id() and m.user_id = v_user.id)
  ) then
    perform core.raise_error('core.user_exists', jsonb_build_object('email', v_email));
  end if;
  v_id := coalesce(v_user.id, uuidv7());
  if v_user.id is null then
    insert into core.app_user (id, email, name, kind) values (v_id, v_email, user_create.name, v_kind);
  end if;
  insert into core.membership (user_id, kind, partner_id) values (v_id, v_kind, user_create.partner_id);
  insert into core.user_role (user_id, role_id, unit_id)
  select distinct v_id, r.id, user_create.unit_id
  from core.role as r
  where r.org_id = core.org_id() and r.code = any (user_create.roles);
  if not exists (select from core.credential as c where c.user_id = v_id) then
    perform core.send_password_token(
      v_id, v_email, 'INVITATION',
      make_interval(hours => (core.installation_setting('core.invitation_hours') #>> '{}')::integer)
    );
  end if;
  perform core.log_security('USER_CREATED', v_id, (v_claims ->> 'sid')::uuid, core.org_id());
  return (
    select jsonb_build_object(
      'org_id', m.org_id, 'id', u.id, 'email', u.email, 'name', u.name, 'kind', m.kind, 'partner_id', m.partner_id,
      'is_active', u.is_active and m.is_active
    )
    from core.membership as m
    join core.app_user as u on u.id = m.user_id
    where m.org_id = core.org_id() and m.user_id = v_id
  );
end
$$;

comment on function api.user_create(text, text, text[], uuid, uuid) is
  E'Make a user\n'
  'roles: codes of roles that the user holds, with core.user_role.create: in unit_id and below, else everywhere. Who has '
  'these permissions in a unit only names it (or one below), and a role, which is no administrator''s. partner_id: makes '
  'an EXTERNAL user of this partner. An INTERNAL user who has an account in another organisation becomes a member here '
  'and keeps his name. Who has no password is sent an invitation to set one. Returns the user. Errors: '
  'core.permission_missing (403), core.role_too_high (403), core.not_found (404: role, unit or partner), core.user_exists (409), '
  'core.user_without_role (422).';

grant execute on function api.user_create(text, text, text[], uuid, uuid) to member, superadmin;
