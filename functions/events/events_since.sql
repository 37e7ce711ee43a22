-- The feed for programs.

-- Stable, so that all of it sees one snapshot: the events, and the horizon that they are complete up to.
create or replace function api.events_since(cursor text default null, max_rows integer default 100, consumer text default null)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_xid xid8;
  v_id uuid;
  v_horizon xid8 := events.horizon();
  v_events jsonb;
  v_count integer;
  v_settled record;
  v_waiting_since timestamptz;
  v_lag numeric;
begin
  if max_rows is null or max_rows not between 1 and 100 then
    perform core.raise_error('events.max_rows', jsonb_build_object('max_rows', max_rows));
  end if;
  select c.xid, c.id into v_xid, v_id from events.parse_cursor(events_since.cursor) as c;
  if consumer is not null and events_since.cursor is null then
    select c.cursor_xid, c.cursor_id
    into v_xid, v_id
    from events.consumer as c
    where c.org_id = core.org_id() and c.name = events_since.consumer;
    if not found then
      perform core.raise_error('events.consumer_unknown', jsonb_build_object('name', consumer));
    end if;
  end if;
  -- The counter of a cluster only grows, except when a logical dump is restored into a younger one.
  if v_xid > v_horizon and v_xid > pg_snapshot_xmax(pg_current_snapshot()) then
    perform core.raise_error('events.cursor_ahead', jsonb_build_object('cursor', v_xid || '.' || v_id));
  end if;

  select
    coalesce(
      jsonb_agg(
        jsonb_build_object(
          'id', e.id, 'org_id', e.org_id, 'type', e.type, 'entity', e.entity, 'entity_id', e.entity_id,
          'entity_version', e.entity_version, 'actor_id', e.actor_id, 'session_id', e.session_id, 'unit_id', e.unit_id,
          'partner_id', e.partner_id, 'request_id', e.request_id, 'before', e.before, 'after', e.after,
          'payload', e.payload, 'occurred_at', e.occurred_at, 'cursor', e.xid || '.' || e.id
        )
        order by e.xid, e.id
      ),
      '[]'
    ),
    count(*)
  into v_events, v_count
  from events.read_feed(v_xid, v_id, max_rows) as e;

  if v_count = max_rows then
    v_xid := split_part(v_events -> -1 ->> 'cursor', '.', 1)::xid8;
    v_id := (v_events -> -1 ->> 'id')::uuid;
  else
    select s.xid, s.id into v_settled from events.settled() as s;
    if (v_settled.xid, v_settled.id) > (v_xid, v_id) then
      v_xid := v_settled.xid;
      v_id := v_settled.id;
    end if;
  end if;

  select min(uuid_extract_timestamp(e.id)) into v_waiting_since from events.event as e where e.xid >= v_horizon;
  v_lag := round(coalesce(extract(epoch from clock_timestamp() - v_waiting_since), 0)::numeric, 3);
  return jsonb_build_object(
    'events', v_events,
    'cursor', v_xid || '.' || v_id,
    'has_more', v_count = max_rows,
    'lag_seconds', greatest(v_lag, 0),
    'is_stalled', v_lag > (core.setting('events.stalled_after_seconds') #>> '{}')::numeric
  );
end
$$;

comment on function api.events_since(text, integer, text) is
  E'The events after a cursor, in an order in which none is lost or repeated\n'
  'cursor: that of the last answer; now: only what comes from now on; left out: from the beginning, or from where the '
  'consumer acknowledged. max_rows: 1 to 100. Returns events (oldest first, each with its cursor), cursor for the next call, '
  'has_more, and lag_seconds: how long the oldest event that is not yet shown has waited for a transaction to end '
  '(is_stalled: too long, somebody must look). Errors: events.cursor_invalid, events.max_rows (400), '
  'events.consumer_unknown (404), events.cursor_ahead (409).';

grant execute on function api.events_since(text, integer, text) to partner, member, superadmin;
