-- The feed: events in an order in which none can turn up behind the reader.

create or replace function events.read_feed(after_xid xid8, after_id uuid, max_rows integer)
returns setof events.event
language sql
stable
parallel safe
begin atomic
  select e.*
  from events.event as e
  where (e.xid, e.id) > (read_feed.after_xid, read_feed.after_id)
    and e.xid < pg_snapshot_xmin(pg_current_snapshot())
  order by e.xid, e.id
  limit read_feed.max_rows;
end;

comment on function events.read_feed(xid8, uuid, integer) is
  'The next events after a cursor, below events.horizon(), as far as row-level security shows them to the caller. A reader '
  'that got fewer than max_rows goes on from events.settled() of the same statement, or, if it keeps its cursor in the '
  'transaction that reads, from (horizon, 00000000-0000-0000-0000-000000000000).';

grant execute on function events.read_feed(xid8, uuid, integer) to partner, member, superadmin, analyst, migrator, worker;
