-- Keeps a user out of the organisation, or lets him in again.

-- Definer: members may not write memberships, only take these two steps.
create or replace function api.user_disable(id uuid, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_over_user('core.user.disable', user_disable.id);
  if user_disable.id = core.user_id() then
    perform core.raise_error('core.user_self');
  end if;
  perform core.set_user_active(user_disable.id, false, user_disable.version);
  perform core.end_sessions(user_disable.id, 'USER_DISABLED', core.org_id());
  perform core.log_security('USER_DISABLED', user_disable.id, (core.claims() ->> 'sid')::uuid, core.org_id());
  return jsonb_build_object('id', user_disable.id, 'is_active', false);
end
$$;

comment on function api.user_disable(uuid, integer) is
  E'Keep a user out\n'
  'The user cannot enter the organisation any more; other organisations of his are not touched. A SUPER_ADMIN whose '
  'token names no organisation disables the account everywhere. Sessions end at once. Returns id and is_active. Errors: '
  'core.permission_missing (403), core.not_found (404), core.stale_version (412), core.user_self (422).';

grant execute on function api.user_disable(uuid, integer) to member, superadmin;

-- Definer: as api.user_disable.
create or replace function api.user_enable(id uuid, version integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform core.require_over_user('core.user.enable', user_enable.id);
  perform core.set_user_active(user_enable.id, true, user_enable.version);
  perform core.log_security('USER_ENABLED', user_enable.id, (core.claims() ->> 'sid')::uuid, core.org_id());
  return jsonb_build_object('id', user_enable.id, 'is_active', true);
end
$$;

comment on function api.user_enable(uuid, integer) is
  E'Let a user in again\n'
  'Takes back user_disable; sessions that it ended stay ended. Returns id and is_active. Errors: '
  'core.permission_missing (403), core.not_found (404), core.stale_version (412).';

grant execute on function api.user_enable(uuid, integer) to member, superadmin;

create or replace function core.set_user_active(user_id uuid, is_active boolean, version integer)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if core.org_id() is null then
    update core.app_user as u
    set is_active = set_user_active.is_active, version = coalesce(set_user_active.version, u.version)
    where u.id = set_user_active.user_id;
  else
    update core.membership as m
    set is_active = set_user_active.is_active, version = coalesce(set_user_active.version, m.version)
    where m.org_id = core.org_id() and m.user_id = set_user_active.user_id;
  end if;
  if not found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'user', 'id', set_user_active.user_id));
  end if;
end
$$;

comment on function core.set_user_active(uuid, boolean, integer) is
  'Write whether a user may enter the organisation of the claims, or, without one, any. Raises core.not_found (404), '
  'core.stale_version (412).';
