-- Up to where the feed is complete.

create or replace function events.horizon()
returns xid8
language sql
stable
parallel safe
return pg_snapshot_xmin(pg_current_snapshot());

comment on function events.horizon() is
  'Every transaction before this one has ended: events with a lower xid are all there and none can be added any more.';

grant execute on function events.horizon() to partner, member, superadmin, analyst, migrator, worker, relay, monitor;
