-- Makes deliveries to webhooks from the feed.

create or replace function events.plan_deliveries(max_rows integer)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_cursor events.feed_cursor;
  v_read integer;
begin
  -- One reader at a time; a second one has nothing to do.
  select * into v_cursor from events.feed_cursor as c where c.reader = 'webhooks' for update skip locked;
  if not found then
    return 0;
  end if;
  with batch as materialized (
    select e.org_id, e.id, e.xid, e.type, e.entity
    from events.read_feed(v_cursor.xid, v_cursor.id, plan_deliveries.max_rows) as e
  ),
  made as (
    insert into events.webhook_delivery (org_id, webhook_id, event_id, event_xid, event_type)
    select e.org_id, w.id, e.id, e.xid, e.type
    from batch as e
    join events.webhook as w on w.org_id = e.org_id and w.is_active
    where w.event_types && array['*', e.entity || '.*', e.type]
    on conflict on constraint event_delivered_once do nothing
  ),
  seen as (
    select e.xid, e.id, count(*) over () as n
    from batch as e
    order by e.xid desc, e.id desc
    limit 1
  )
  update events.feed_cursor as c
  set xid = s.xid, id = s.id, moved_at = clock_timestamp()
  from seen as s
  where c.reader = v_cursor.reader
  returning s.n into v_read;
  return coalesce(v_read, 0);
end
$$;

comment on function events.plan_deliveries(integer) is
  'Read that many events of the feed and note for each active webhook that wants them that they are to be delivered; '
  'returns how many events it read. Cursor and deliveries are one transaction.';

grant execute on function events.plan_deliveries(integer) to worker;
