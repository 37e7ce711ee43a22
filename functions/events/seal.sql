-- Seals what has happened, so that a later change of it shows.

create or replace function events.canonical(event events.event)
returns text
language sql
immutable
parallel safe
return jsonb_build_array(
  (event).org_id, (event).id, (event).xid::text, (event).type, (event).entity, (event).entity_id, (event).entity_version,
  (event).actor_id, (event).session_id, (event).unit_id, (event).partner_id, (event).request_id, (event).before,
  (event).after, (event).payload
)::text;

comment on function events.canonical(events.event) is
  'An event as the one text that its SHA-256 is taken of, and that archives hold.';

-- Not on the path of a write: a chain extended by each transaction would make all of an organisation wait for each other.
create or replace function events.seal(max_events integer default 50000, out seals integer, out events bigint, out until_xid xid8)
returns record
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_from xid8;
begin
  seals := 0;
  events := 0;
  -- One at a time: the second finds what the first has left.
  perform pg_advisory_xact_lock(hashtextextended('events.seal', 0));
  select coalesce(max(r.until_xid), '0'::xid8) into v_from from events.seal_run as r;

  -- Below the horizon nothing can be added. A position is sealed whole, however many events a transaction wrote there.
  select e.xid
  into until_xid
  from events.event as e
  where e.xid >= v_from and e.xid < events.horizon()
  order by e.xid, e.id
  offset max_events
  limit 1;
  if until_xid is null then
    until_xid := events.horizon();
  elsif not exists (select from events.event as e where e.xid >= v_from and e.xid < seal.until_xid) then
    select coalesce(min(e.xid), events.horizon())
    into until_xid
    from events.event as e
    where e.xid > seal.until_xid and e.xid < events.horizon();
  end if;

  insert into events.seal (org_id, number, from_xid, until_xid, event_count, ids, leaves, previous_hash, hash)
  select
    b.org_id,
    coalesce(p.number, 0) + 1,
    coalesce(p.until_xid, '0'::xid8),
    seal.until_xid,
    cardinality(b.ids),
    b.ids,
    b.leaves,
    coalesce(p.hash, decode(repeat('00', 32), 'hex')),
    sha256(
      convert_to(
        format(
          '%s %s %s %s %s ', b.org_id, coalesce(p.number, 0) + 1, coalesce(p.until_xid, '0'::xid8), seal.until_xid,
          array_to_string(b.ids, ',')
        ),
        'UTF8'
      )
      || b.leaves
      || coalesce(p.hash, decode(repeat('00', 32), 'hex'))
    )
  from (
    select
      e.org_id,
      array_agg(e.id order by e.xid, e.id) as ids,
      string_agg(sha256(convert_to(events.canonical(e), 'UTF8')), ''::bytea order by e.xid, e.id) as leaves
    from events.event as e
    where e.xid >= v_from and e.xid < seal.until_xid
    group by e.org_id
  ) as b
  left join lateral (
    select s.number, s.until_xid, s.hash
    from events.seal as s
    where s.org_id = b.org_id
    order by s.number desc
    limit 1
  ) as p on true;
  get diagnostics seals = row_count;

  select coalesce(sum(s.event_count), 0) into events from events.seal as s where seals > 0 and s.until_xid = seal.until_xid;
  if seals > 0 then
    insert into events.seal_run (until_xid, seal_count, event_count) values (seal.until_xid, seals, seal.events);
  end if;
end
$$;

comment on function events.seal(integer) is
  'Seal the events since the last time, up to the horizon or about max_events of them, one seal an organisation; returns how '
  'many seals and events, and up to where. Call it again while events is near max_events. Erpgres audit verify checks the seals.';

grant execute on function events.canonical(events.event) to worker, migrator;
grant execute on function events.seal(integer) to worker, migrator;
