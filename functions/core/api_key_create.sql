-- Makes a key for a machine.

-- Definer: nobody reads or writes keys.
create or replace function api.api_key_create(
  name text, permissions text[], expires_at timestamptz default null, user_id uuid default null
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := core.make_secret('erk_');
  v_id uuid := uuidv7();
  v_user_id uuid := coalesce(api_key_create.user_id, core.user_id());
  v_last timestamptz := now() + make_interval(days => (core.installation_setting('core.api_key_days') #>> '{}')::integer);
  v_expires_at timestamptz := coalesce(api_key_create.expires_at, v_last);
  v_unknown text;
begin
  perform core.require_person();
  perform core.require_permission('core.api_key.create');
  if v_user_id <> core.user_id() then
    -- A key of somebody else may do what he may: who gives roles could do that anyway.
    perform core.require_permission('core.user_role.create');
  end if;
  if not exists (
    select from core.membership as m where m.org_id = core.org_id() and m.user_id = v_user_id and m.is_active
  ) then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'user', 'id', v_user_id));
  end if;
  select w
  into v_unknown
  from unnest(api_key_create.permissions) as w
  where not exists (select from core.permission as p where p.code = w)
  limit 1;
  if v_unknown is not null then
    perform core.raise_error('core.permission_unknown', jsonb_build_object('permission', v_unknown));
  end if;
  if v_expires_at <= now() or v_expires_at > v_last then
    perform core.raise_error('core.api_key_expiry', jsonb_build_object('latest', v_last));
  end if;
  insert into core.api_key (id, user_id, name, prefix, key_hash, permissions, expires_at)
  values (
    v_id, v_user_id, api_key_create.name, left(v_key, 10), sha256(convert_to(v_key, 'UTF8')),
    coalesce(api_key_create.permissions, '{}'), v_expires_at
  );
  perform core.log_security(
    'API_KEY_CREATED', v_user_id, (core.claims() ->> 'sid')::uuid, core.org_id(), jsonb_build_object('api_key_id', v_id)
  );
  perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
  return jsonb_build_object(
    'id', v_id, 'key', v_key, 'prefix', left(v_key, 10), 'name', api_key_create.name, 'user_id', v_user_id,
    'permissions', to_jsonb(coalesce(api_key_create.permissions, '{}')), 'expires_at', v_expires_at
  );
end
$$;

comment on function api.api_key_create(text, text[], timestamptz, uuid) is
  E'Make an API key\n'
  'permissions: what it may do at most; it may never do more than its user. It reads what its user reads. expires_at: a '
  'year from now at most, and when left out. user_id: another user of the organisation, with core.user_role.create. '
  'Returns id, prefix, name, user_id, permissions, expires_at and key, which is not shown again. Errors: '
  'core.permission_missing, core.api_key_refused (403), core.not_found (404), core.permission_unknown, '
  'core.api_key_expiry (422).';

grant execute on function api.api_key_create(text, text[], timestamptz, uuid) to member, superadmin;
