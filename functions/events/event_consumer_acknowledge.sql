-- A consumer has dealt with everything up to a cursor.

create or replace function api.event_consumer_acknowledge(name text, cursor text)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_xid xid8;
  v_id uuid;
  v_consumer events.consumer;
begin
  perform core.require_permission('events.consumer.update');
  select c.xid, c.id
  into v_xid, v_id
  from events.parse_cursor(coalesce(event_consumer_acknowledge.cursor, '')) as c;
  select c.*
  into v_consumer
  from events.consumer as c
  where c.org_id = core.org_id() and c.name = event_consumer_acknowledge.name
  for no key update;
  if not found then
    perform core.raise_error('events.consumer_unknown', jsonb_build_object('name', event_consumer_acknowledge.name));
  end if;
  -- Two that run under one name would drag each other back.
  if (v_xid, v_id) < (v_consumer.cursor_xid, v_consumer.cursor_id) then
    perform core.raise_error(
      'events.cursor_behind',
      jsonb_build_object(
        'name', v_consumer.name, 'cursor', event_consumer_acknowledge.cursor,
        'acknowledged', v_consumer.cursor_xid || '.' || v_consumer.cursor_id
      )
    );
  end if;
  -- Beyond the horizon events may still turn up that nobody has dealt with.
  if v_xid > events.horizon() then
    perform core.raise_error(
      'events.cursor_ahead', jsonb_build_object('cursor', event_consumer_acknowledge.cursor)
    );
  end if;
  update events.consumer as c
  set cursor_xid = v_xid, cursor_id = v_id, acknowledged_at = now()
  where c.org_id = v_consumer.org_id and c.id = v_consumer.id;
  return jsonb_build_object('name', v_consumer.name, 'cursor', v_xid || '.' || v_id);
end
$$;

comment on function api.event_consumer_acknowledge(text, text) is
  E'Say that all events up to a cursor are dealt with\n'
  'The next events_since with this consumer goes on from there. Returns name and cursor. Errors: events.cursor_invalid (400), '
  'core.permission_missing (403), events.consumer_unknown (404), events.cursor_behind, events.cursor_ahead (409).';

grant execute on function api.event_consumer_acknowledge(text, text) to member, superadmin;
