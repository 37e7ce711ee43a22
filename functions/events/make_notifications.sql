-- Makes notifications from the feed.

create or replace function events.make_notifications(max_rows integer)
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
  select * into v_cursor from events.feed_cursor as c where c.reader = 'notifications' for update skip locked;
  if not found then
    return 0;
  end if;
  with batch as materialized (
    select * from events.read_feed(v_cursor.xid, v_cursor.id, make_notifications.max_rows)
  ),
  meant as (
    select e.org_id, u.user_id, e.id as event_id, r.title
    from batch as e
    join core.notification_rule as r on r.event_type = e.type
    cross join lateral (
      select h.user_id
      from core.permission_holders(e.org_id, r.permission, e.unit_id) as h
      where r.recipient = 'PERMISSION'
      union all
      (
        select c.actor_id
        from events.event as c
        where r.recipient = 'CREATOR'
          and c.org_id = e.org_id
          and c.entity_id = e.entity_id
          and c.entity = e.entity
          and c.type = e.entity || '.created'
        order by c.id
        limit 1
      )
      union all
      select m.user_id
      from core.membership as m
      where r.recipient = 'PARTNER' and m.org_id = e.org_id and m.partner_id = e.partner_id
      union all
      select h.user_id
      from core.permission_holders(e.org_id, e.payload ->> 'permission', e.unit_id) as h
      where r.recipient = 'APPROVER' and not coalesce(e.payload -> 'other_than' ? h.user_id::text, false)
    ) as u
    union all
    select e.org_id, p.user_id, e.id, null
    from batch as e
    join events.notification_preference as p on p.org_id = e.org_id and p.event_type = e.type and p.is_on
  ),
  -- Who reads only some of the columns that an event holds may not read the event (events.readable_entities).
  readable as materialized (
    select n.entity, r.kind
    from core.event_entity as n
    cross join (values ('INTERNAL', 'member'), ('EXTERNAL', 'partner')) as r (kind, role)
    left join pg_catalog.pg_namespace as s on s.nspname = split_part(n.table_name, '.', 1)
    left join pg_catalog.pg_class as c on c.relnamespace = s.oid and c.relname = split_part(n.table_name, '.', 2)
    where n.entity in (select b.entity from batch as b)
      and (
        n.table_name is null
        or has_table_privilege(r.role, c.oid, 'select')
        or (
          select bool_and(has_column_privilege(r.role, c.oid, d.name, 'select'))
          from events.recorded_columns(n.entity) as d
        )
      )
  ),
  made as (
    insert into events.notification (org_id, user_id, event_id, event_type, entity, entity_id, actor_id, title)
    select distinct on (w.org_id, w.user_id, w.event_id)
      w.org_id, w.user_id, w.event_id, e.type, e.entity, e.entity_id, e.actor_id, w.title
    from meant as w
    join batch as e on e.org_id = w.org_id and e.id = w.event_id
    join core.event_entity as n on n.entity = e.entity
    join core.membership as m on m.org_id = w.org_id and m.user_id = w.user_id and m.is_active
    join core.app_user as u on u.id = m.user_id and u.is_active
    join readable as a on a.entity = e.entity and a.kind = m.kind
    where w.user_id is distinct from e.actor_id
      and (m.kind = 'INTERNAL' or m.partner_id = e.partner_id)
      and (
        n.read_permission is null
        or w.user_id in (select h.user_id from core.permission_holders(e.org_id, n.read_permission, e.unit_id) as h)
      )
      and not exists (
        select
        from events.notification_preference as p
        where p.org_id = w.org_id and p.user_id = w.user_id and p.event_type = e.type and not p.is_on
      )
    order by w.org_id, w.user_id, w.event_id, w.title nulls last
    on conflict on constraint notification_pkey do nothing
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

comment on function events.make_notifications(integer) is
  'Read that many events of the feed and tell whom core.notification_rule and the users'' preferences name; returns how '
  'many events it read. Cursor and notifications are one transaction. Not told: who did it himself, users who may not '
  'read such events, EXTERNAL users of other partners.';

grant execute on function events.make_notifications(integer) to worker;
