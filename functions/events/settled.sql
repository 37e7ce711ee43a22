-- How far a reader of the feed may go when there is nothing more to read.

-- Definer: the newest event may be one that the caller does not see; its position tells nothing.
create or replace function events.settled(out xid xid8, out id uuid)
returns record
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  select e.xid, e.id
  into settled.xid, settled.id
  from events.event as e
  where e.org_id = core.org_id()
    and e.xid < events.horizon()
  order by e.xid desc, e.id desc
  limit 1;
  settled.xid := coalesce(settled.xid, '0');
  settled.id := coalesce(settled.id, '00000000-0000-0000-0000-000000000000');
end
$$;

comment on function events.settled() is
  'The position of the newest event of the organisation below events.horizon(). Not the horizon itself: after a crash the '
  'numbers of transactions that left nothing on the disk are given again, and a cursor that counted them would pass by what '
  'the next ones write.';

grant execute on function events.settled() to partner, member, superadmin, migrator, worker;
