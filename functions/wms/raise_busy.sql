-- The answer to a caller who lost a race for locks: nothing happened, try again in a moment.

create or replace function wms.raise_busy()
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_error core.error;
begin
  select e.* into v_error from core.error as e where e.code = 'wms.busy';
  raise sqlstate 'PGRST' using
    message = jsonb_build_object(
      'code', v_error.code, 'message', v_error.message, 'details', null, 'hint', v_error.hint
    )::text,
    detail = jsonb_build_object(
      'status', v_error.status, 'headers', jsonb_build_object('Retry-After', '1')
    )::text;
end
$$;

comment on function wms.raise_busy() is
  'Raises wms.busy (503) with Retry-After. For the edge of functions that lock rows, on a lock timeout or a deadlock.';
