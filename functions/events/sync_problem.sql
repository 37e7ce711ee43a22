-- What is to be said about an error that a draft or a command met.

create or replace function events.sync_problem(state text, message text, detail text)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_body jsonb;
begin
  -- Resources, locks, cancelled statements, faults of the server: another attempt may go well.
  if left(state, 2) in ('08', '40', '53', '54', '55', '57', '58', 'XX', 'F0') then
    return null;
  elsif state <> 'PGRST' then
    return jsonb_build_object('code', state, 'message', sync_problem.message);
  end if;
  v_body := sync_problem.message::jsonb;
  if (detail::jsonb ->> 'status')::integer in (401, 429) or (detail::jsonb ->> 'status')::integer >= 500 then
    return null;
  end if;
  return v_body;
end
$$;

comment on function events.sync_problem(text, text, text) is
  'Code, message, hint and details of a refusal that stays one however often it is tried; null: of an error that passes';

grant execute on function events.sync_problem(text, text, text) to member, partner;
