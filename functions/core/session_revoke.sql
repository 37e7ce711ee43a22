-- Ends a session from outside.

-- Definer: sessions are ended by functions only.
create or replace function api.session_revoke(id uuid)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_session core.session;
begin
  perform core.require_person();
  -- Policies show the owner the user's own sessions, those of his organisation, or to a SUPER_ADMIN all.
  select * into v_session from core.session as s where s.id = session_revoke.id;
  if v_session.user_id is distinct from core.user_id() then
    perform core.require_over_user('core.session.revoke', v_session.user_id);
  end if;
  if v_session.id is null then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'session', 'id', session_revoke.id));
  end if;
  perform core.end_session(v_session.id, 'REVOKED');
  if v_session.user_id <> core.user_id() then
    perform core.log_security('SESSION_REVOKED', v_session.user_id, v_session.id, v_session.org_id);
  end if;
  return jsonb_build_object('id', v_session.id, 'revoked', true);
end
$$;

comment on function api.session_revoke(uuid) is
  E'End a session\n'
  'One''s own, or one of the organisation with core.session.revoke; its tokens are refused at once. Returns id and '
  'revoked. Errors: core.permission_missing, core.api_key_refused (403), core.not_found (404).';

grant execute on function api.session_revoke(uuid) to partner, member, superadmin;
