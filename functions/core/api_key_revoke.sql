-- Ends a key.

-- Definer: nobody writes keys.
create or replace function api.api_key_revoke(id uuid)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_key core.api_key;
begin
  perform core.require_person();
  select * into v_key from core.api_key as k where k.org_id = core.org_id() and k.id = api_key_revoke.id;
  if v_key.user_id is distinct from core.user_id() then
    perform core.require_over_user('core.api_key.revoke', v_key.user_id);
  end if;
  if v_key.id is null then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'API key', 'id', api_key_revoke.id));
  end if;
  update core.api_key as k
  set revoked_at = clock_timestamp(), revoked_by = core.user_id()
  where k.org_id = v_key.org_id and k.id = v_key.id and k.revoked_at is null;
  perform core.log_security(
    'API_KEY_REVOKED', v_key.user_id, null, v_key.org_id, jsonb_build_object('api_key_id', v_key.id)
  );
  return jsonb_build_object('id', v_key.id, 'revoked', true);
end
$$;

comment on function api.api_key_revoke(uuid) is
  E'End an API key\n'
  'One''s own, or with core.api_key.revoke any of the organisation. Tokens that it signed in with are refused at once. '
  'Returns id and revoked. Errors: core.permission_missing, core.api_key_refused (403), core.not_found (404).';

grant execute on function api.api_key_revoke(uuid) to member, superadmin;
