-- Writes a draft that a device pushed, in a savepoint.

create or replace function events.try_sync_draft(
  push_function text,
  id uuid,
  content jsonb,
  is_deleted boolean,
  lines jsonb
)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_state text;
  v_message text;
  v_detail text;
  v_problem jsonb;
-- lint: allow swallowed_error: a refusal is kept and told to the device; what may pass is raised again
begin
  execute format('select %s($1, $2, $3, $4)', to_regproc(try_sync_draft.push_function))
  using try_sync_draft.id, try_sync_draft.content, try_sync_draft.is_deleted, try_sync_draft.lines;
  return null;
exception
  when others then
    get stacked diagnostics
      v_state = returned_sqlstate,
      v_message = message_text,
      v_detail = pg_exception_detail;
    v_problem := events.sync_problem(v_state, v_message, v_detail);
    if v_problem is null then
      raise;
    elsif v_problem ->> 'code' = 'core.stale_version' then
      perform core.raise_error('events.sync_conflict');
    end if;
    return v_problem;
end
$$;

comment on function events.try_sync_draft(text, uuid, jsonb, boolean, jsonb) is
  'Write or remove a draft and its lines; null, or why that was refused (code, message, hint, details). Nothing is left of '
  'what was refused. Raises events.sync_conflict (409) when somebody was quicker.';

grant execute on function events.try_sync_draft(text, uuid, jsonb, boolean, jsonb) to member, partner;
