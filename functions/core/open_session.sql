-- Opens a session.

create or replace function core.open_session(
  user_id uuid,
  org_id uuid,
  expires_at timestamptz,
  is_limited boolean default false,
  api_key_id uuid default null
)
returns uuid
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_session core.session;
begin
  select
    case u.kind when 'SUPER_ADMIN' then 'superadmin' when 'INTERNAL' then 'member' else 'partner' end,
    m.partner_id
  into v_session.role, v_session.partner_id
  from core.app_user as u
  left join core.membership as m on m.user_id = u.id and m.org_id = open_session.org_id
  where u.id = open_session.user_id;
  v_session.id := uuidv7();
  v_session.user_id := open_session.user_id;
  v_session.org_id := open_session.org_id;
  v_session.api_key_id := open_session.api_key_id;
  v_session.expires_at := open_session.expires_at;

  -- Whoever shuts the user out meanwhile waits for us and then finds this session, or we wait for him and see it.
  perform pg_advisory_xact_lock_shared(core.admission_lock(w.id))
  from unnest(array[v_session.user_id, v_session.org_id, v_session.partner_id, v_session.api_key_id]) as w (id)
  where w.id is not null;

  insert into core.session (
    id, user_id, org_id, role, partner_id, api_key_id, is_admitted, expires_at, is_limited, address, user_agent
  )
  values (
    v_session.id, v_session.user_id, v_session.org_id, v_session.role, v_session.partner_id, v_session.api_key_id,
    core.is_admitted(v_session),
    open_session.expires_at, open_session.is_limited, core.client_address(),
    left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'user-agent', 200)
  );
  return v_session.id;
end
$$;

comment on function core.open_session(uuid, uuid, timestamptz, boolean, uuid) is
  'Make a session and return its id, the sid of its tokens. Whoever calls it knows that the user may come in; one who may '
  'not gets a session that admits nobody.';

grant execute on function core.open_session(uuid, uuid, timestamptz, boolean, uuid) to migrator;
grant execute on function core.client_address() to migrator;
