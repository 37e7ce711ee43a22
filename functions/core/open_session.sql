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
  v_id uuid := uuidv7();
begin
  insert into core.session (id, user_id, org_id, expires_at, is_limited, api_key_id, address, user_agent)
  values (
    v_id, open_session.user_id, open_session.org_id, open_session.expires_at, open_session.is_limited,
    open_session.api_key_id, core.client_address(),
    left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'user-agent', 200)
  );
  return v_id;
end
$$;

comment on function core.open_session(uuid, uuid, timestamptz, boolean, uuid) is
  'Make a session and return its id, the sid of its tokens. Whoever calls it knows that the user may come in.';

grant execute on function core.open_session(uuid, uuid, timestamptz, boolean, uuid) to migrator;
grant execute on function core.client_address() to migrator;
