-- Notes when an open session ends or may do less: what the gateway keeps for it is given no longer.

-- Definer: nobody else may write there. By row, with a condition: sign-in and refresh note nothing.
create or replace function core.tg_session__note_end()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into core.data_change (org_id, source, xid)
  values (coalesce(old.org_id, '00000000-0000-0000-0000-000000000000'), 'session_end', pg_current_xact_id())
  on conflict do nothing;
  return null;
end
$$;

comment on function core.tg_session__note_end() is
  'AFTER UPDATE of what ends or limits a session, AFTER DELETE of an open one: notes it in core.data_change as session_end, '
  'which the gateway''s cache heeds';
