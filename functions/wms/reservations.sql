-- What functions do to reservations. Whoever changes one has locked its balance.

create or replace function wms.take_reservations(org_id uuid, movements wms.movement[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_taken integer;
  v_wanted integer;
begin
  -- What is left of a reservation stays held in its row; what was taken of it gets a row of its own.
  with wanted as (
    select
      m.reservation_document_id as document_id,
      m.reservation_id as id,
      m.item_id,
      m.lot_id,
      m.from_location_id as location_id,
      sum(m.quantity) as quantity
    from unnest(movements) as m
    where m.reservation_id is not null
    group by m.reservation_document_id, m.reservation_id, m.item_id, m.lot_id, m.from_location_id
  ),
  held as (
    select r.*, w.quantity as taken
    from wanted as w
    inner join wms.reservation as r
      on r.org_id = take_reservations.org_id
      and r.document_id = w.document_id
      and r.id = w.id
    where r.status = 'HELD'
      and r.quantity >= w.quantity
      and r.item_id = w.item_id
      and r.lot_id is not distinct from w.lot_id
      and r.location_id = w.location_id
  ),
  parted as (
    insert into wms.reservation (
      org_id, document_id, line_id, item_id, lot_id, location_id, warehouse_id, quantity, status, expires_at, ended_at,
      ended_by, reserved_at, reserved_by
    )
    select
      h.org_id, h.document_id, h.line_id, h.item_id, h.lot_id, h.location_id, h.warehouse_id, h.taken, 'CONSUMED',
      h.expires_at, now(), core.user_id(), h.reserved_at, h.reserved_by
    from held as h
    where h.quantity > h.taken
  ),
  carried as (
    insert into wms.reservation (
      org_id, document_id, line_id, item_id, lot_id, location_id, warehouse_id, quantity, expires_at, reserved_at, reserved_by
    )
    select
      h.org_id, h.document_id, h.line_id, h.item_id, h.lot_id, m.to_location_id, m.to_warehouse_id, m.quantity, h.expires_at,
      now(), core.user_id()
    from held as h
    inner join unnest(movements) as m
      on m.reservation_id = h.id
      and m.is_hold_carried
  ),
  ended as (
    update wms.reservation as r
    set
      quantity = case when h.quantity > h.taken then r.quantity - h.taken else r.quantity end,
      status = case when h.quantity > h.taken then r.status else 'CONSUMED' end,
      ended_at = case when h.quantity > h.taken then null else now() end,
      ended_by = case when h.quantity > h.taken then null else core.user_id() end
    from held as h
    where r.org_id = h.org_id
      and r.document_id = h.document_id
      and r.id = h.id
      and r.status = 'HELD'
      and r.quantity = h.quantity
    returning r.id
  )
  select (select count(*) from ended), (select count(*) from wanted)
  into v_taken, v_wanted;

  if v_taken < v_wanted then
    perform core.raise_error('wms.reservation_ended');
  end if;
end
$$;

comment on function wms.take_reservations(uuid, wms.movement[]) is
  'Takes what movements take out of reservations, whose balances are locked and changed; where the hold goes along, the '
  'goods are held at the place that they reach. Raises wms.reservation_ended (409) when one is no longer there.';

create or replace function wms.consume_reservation(reservation_id uuid, quantity numeric)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_reservation wms.reservation;
begin
  select r.*
  into v_reservation
  from wms.reservation as r
  where r.org_id = core.org_id()
    and r.id = consume_reservation.reservation_id;
  if not found then
    perform core.raise_error('wms.reservation_not_found', jsonb_build_object('id', reservation_id));
  elsif v_reservation.status <> 'HELD' or v_reservation.quantity < quantity then
    perform core.raise_error('wms.reservation_ended', jsonb_build_object('id', reservation_id));
  end if;

  perform wms.change_balances(
    v_reservation.org_id, array[v_reservation.item_id], array[v_reservation.lot_id], array[v_reservation.location_id],
    array[v_reservation.warehouse_id], array[0], array[- quantity]
  );
  perform wms.take_reservations(
    v_reservation.org_id,
    array[
      row(
        null, 1, 1, null, v_reservation.item_id, v_reservation.lot_id, v_reservation.location_id, null, null, null, quantity,
        null, null, false, v_reservation.id, v_reservation.document_id, false, null, null, false
      )::wms.movement
    ]
  );
end
$$;

comment on function wms.consume_reservation(uuid, numeric) is
  'Ends a reservation, or as much of it as quantity says, because its goods are taken: they are free to move until the '
  'transaction ends. To carry the hold along use wms.post_at_once with the reservation_id in the line. Raises '
  'wms.reservation_not_found (404), wms.reservation_ended (409).';

create or replace function wms.release_reservations(ids uuid[], because text)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_ids uuid[];
  v_items uuid[];
  v_lots uuid[];
  v_places uuid[];
  v_warehouses uuid[];
  v_holds numeric[];
  v_quantity numeric;
  v_released numeric;
begin
  with held as (
    select r.id, r.item_id, r.lot_id, r.location_id, r.warehouse_id, r.quantity
    from wms.reservation as r
    where r.org_id = v_org
      and r.id = any (release_reservations.ids)
      and r.status = 'HELD'
  )
  select
    array_agg(c.item_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.lot_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.location_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(c.warehouse_id order by c.item_id, c.location_id, c.lot_id),
    array_agg(- c.quantity order by c.item_id, c.location_id, c.lot_id),
    sum(c.quantity),
    (select array_agg(h.id) from held as h)
  into v_items, v_lots, v_places, v_warehouses, v_holds, v_quantity, v_ids
  from (
    select h.item_id, h.lot_id, h.location_id, h.warehouse_id, sum(h.quantity) as quantity
    from held as h
    group by h.item_id, h.lot_id, h.location_id, h.warehouse_id
  ) as c;
  if v_ids is null then
    return 0;
  end if;

  perform wms.change_balances(
    v_org, v_items, v_lots, v_places, v_warehouses, array_fill(0::numeric, array[cardinality(v_holds)]), v_holds
  );

  with ended as (
    update wms.reservation as r
    set
      status = 'RELEASED',
      ended_because = release_reservations.because,
      ended_at = now(),
      ended_by = core.user_id()
    where r.org_id = v_org
      and r.id = any (v_ids)
      and r.status = 'HELD'
    returning r.quantity
  )
  select sum(e.quantity) into v_released from ended as e;
  if v_released is distinct from v_quantity then
    perform core.raise_error('wms.busy'); -- one was taken while we waited for its balance
  end if;
  return cardinality(v_ids);
end
$$;

comment on function wms.release_reservations(uuid[], text) is
  'Releases those of the reservations that are still held, saying why (REQUESTED, EXPIRED, LOT, CANCELLED, POSTED); returns '
  'how many. Raises wms.busy (503) when one changed meanwhile.';

create or replace function wms.release_reservations_of_lot(lot_id uuid, reason text)
returns integer
language plpgsql
volatile
parallel unsafe
as $$
begin
  return wms.release_reservations(
    array(
      select r.id
      from wms.reservation as r
      where r.org_id = core.org_id()
        and r.item_id = (
          select t.item_id
          from wms.lot as t
          where t.org_id = core.org_id()
            and t.id = release_reservations_of_lot.lot_id
        )
        and r.lot_id = release_reservations_of_lot.lot_id
        and r.status = 'HELD'
    ),
    coalesce(release_reservations_of_lot.reason, 'LOT')
  );
end
$$;

comment on function wms.release_reservations_of_lot(uuid, text) is
  'Releases what is held of a lot that may no longer move; reason is LOT unless it says otherwise. The caller holds the lot.';
