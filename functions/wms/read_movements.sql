-- What documents move, part by part, and whether each part may; stock itself is checked under lock afterwards.

create or replace function wms.read_movements(
  documents wms.document[],
  take_lines uuid[],
  take_reservations uuid[],
  today date,
  time_zone text
)
returns wms.movement[]
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := documents[1].org_id;
  v_reserved uuid[];
  v_movements wms.movement[];
  v_problems jsonb;
  v_parts wms.line_part[];
begin
  v_reserved := array(select d.id from unnest(documents) as d where d.status in ('RESERVED', 'PICKING', 'PACKED'));
  if v_reserved <> '{}' or take_lines is not null then
    v_parts := array(
      select row(h.line_id, h.id, h.document_id, h.lot_id, h.location_id, h.quantity, true)::wms.line_part
      from wms.reservation as h
      where h.org_id = v_org
        and h.document_id = any (v_reserved)
        and h.status = 'HELD'
      union all
      select row(h.line_id, null, null, null, null, sum(h.quantity), false)::wms.line_part
      from wms.reservation as h
      where h.org_id = v_org
        and h.document_id = any (v_reserved)
        and h.status = 'HELD'
      group by h.line_id
      union all
      select row(k.line_id, h.id, h.document_id, h.lot_id, h.location_id, h.quantity, false)::wms.line_part
      from unnest(take_lines, take_reservations) as k (line_id, reservation_id)
      inner join wms.reservation as h
        on h.org_id = v_org
        and h.id = k.reservation_id
    );
  end if;

  with part as materialized (
    -- A line is taken out of what is reserved for it, and what is not reserved, as the line says. A line may also take
    -- its goods out of the reservation of another document, for which it picks.
    select
      d.ordinality::integer as document_no,
      d.document_type,
      d.status,
      d.posting_date,
      d.reverses,
      d.from_location_id as from_end,
      d.to_location_id as to_end,
      l.document_id,
      l.line_no,
      l.id as line_id,
      l.item_id,
      case when r.is_own then r.lot_id else l.lot_id end as lot_id,
      case when r.is_own then r.location_id else l.from_position_id end as from_location_id,
      l.to_position_id as to_location_id,
      case
        when r.id is null then l.quantity_base - coalesce(r.quantity, 0)
        when r.is_own then r.quantity
        else l.quantity_base
      end as quantity,
      l.quantity_base as line_quantity,
      coalesce(
        l.booked_value,
        -- Prices of what leaves or comes back are those of sale, and say nothing of the value.
        case
          when d.document_type in ('IMPORT', 'ADJUSTMENT', 'COUNT') then round(l.quantity * l.unit_price, 4)
        end
      ) as line_value,
      r.id as reservation_id,
      r.document_id as reservation_document_id,
      not r.is_own and d.document_type in ('MOVE', 'TRANSFER') as is_hold_carried
    from unnest(documents) with ordinality as d
    inner join wms.document_line as l
      on l.org_id = v_org
      and l.document_id = d.id
    left join unnest(v_parts) as r
      on r.line_id = l.id
  ),
  -- However many lines there are, they are of a few warehouses.
  warehouse as materialized (
    select w.id, w.code, w.path, w.is_active
    from core.location as w
    where w.org_id = v_org
      and w.id in (
        select e.id
        from unnest(documents) as d
        cross join lateral unnest(array[d.from_location_id, d.to_location_id]) as e (id)
      )
  )
  select
    array_agg(
      row(
        c.document_id, c.document_no, c.line_no, c.line_id, c.item_id, c.lot_id, c.from_location_id, c.to_location_id,
        c.from_warehouse_id, c.to_warehouse_id, c.quantity,
        case when c.quantity = c.line_quantity then c.line_value else round(c.line_value * c.quantity / c.line_quantity, 4) end,
        c.tracking, c.needs_approved, c.reservation_id, c.reservation_document_id,
        c.reservation_id is not null and c.is_hold_carried,
        case
          when coalesce(c.posting_date, today) = today then date_trunc('milliseconds', now())
          else (c.posting_date + 1)::timestamp at time zone read_movements.time_zone - interval '1 millisecond'
        end,
        c.reverses,
        c.needs_room
      )::wms.movement
      order by c.document_no, c.line_no, c.reservation_id
    ),
    jsonb_agg(
      jsonb_build_object(
        'line', c.line_no, 'code', c.problem, 'item', c.sku, 'item_id', c.item_id, 'lot', c.lot_no,
        'lot_status', c.lot_status, 'place', c.place, 'id', c.document_id
      )
      || case
        when c.problem = 'wms.zone_required' then jsonb_build_object(
          'zones', array_to_string(wms.required_zones(v_org, c.to_end, c.item_id, c.item_class), ', ')
        )
        else '{}'
      end
      order by c.document_no, c.line_no
    ) filter (where c.problem is not null)
  into v_movements, v_problems
  from (
    select
      s.*,
      i.sku,
      i.class as item_class,
      i.tracking,
      t.lot_no,
      t.status as lot_status,
      case when not f.is_virtual then s.from_end end as from_warehouse_id,
      case when not p.is_virtual then s.to_end end as to_warehouse_id,
      case
        when not w.is_active then w.code
        when not x.is_active then x.code
        when f.is_active and wms.is_position_of(f.kind, f.path, w.path) then p.code
        else f.code
      end as place,
      -- A lot that is held may come back, be corrected, be put aside, and go back where it came from.
      s.reverses is null
      and s.document_type not in ('RETURN', 'ADJUSTMENT', 'COUNT')
      and p.kind <> 'QUARANTINE' as needs_approved,
      case
        when not i.is_active and s.reverses is null then 'wms.item_inactive'
        when not w.is_active or not x.is_active or not f.is_active or not p.is_active then 'wms.place_inactive'
        when not wms.are_ends_of(s.document_type, f.kind, f.path, w.path, p.kind, p.path, x.path) then 'wms.place_elsewhere'
        when i.tracking <> 'NONE' and s.lot_id is null then 'wms.lot_required'
        when i.tracking = 'SERIAL' and s.quantity <> 1 then 'wms.serial_quantity'
        when t.status <> 'APPROVED'
          and s.reverses is null
          and s.document_type not in ('RETURN', 'ADJUSTMENT', 'COUNT')
          and p.kind <> 'QUARANTINE'
          then 'wms.lot_not_approved'
        -- Goods may be bound to zones: asked only where somebody has such a rule.
        when p.kind in ('STORAGE', 'PICKING')
          and s.reverses is null
          and s.document_type not in ('ADJUSTMENT', 'COUNT')
          and exists (select from wms.put_away_rule as r where r.org_id = v_org and r.is_required)
          and not wms.is_in_required_zone(p.zone, v_org, s.to_end, s.item_id, i.class)
          then 'wms.zone_required'
      end as problem,
      -- What functions put somewhere they have made room for; what was found somewhere lies there, and what is reversed did.
      p.capacity is not null
      and s.status <> 'POSTING'
      and s.reverses is null
      and s.document_type not in ('ADJUSTMENT', 'COUNT') as needs_room
    from part as s
    inner join core.item as i
      on i.org_id = v_org
      and i.id = s.item_id
    inner join core.location as f
      on f.org_id = v_org
      and f.id = s.from_location_id
    inner join core.location as p
      on p.org_id = v_org
      and p.id = s.to_location_id
    left join warehouse as w
      on w.id = s.from_end
    left join warehouse as x
      on x.id = s.to_end
    left join wms.lot as t
      on t.org_id = v_org
      and t.id = s.lot_id
    where s.quantity > 0
  ) as c;

  if v_problems is not null then
    perform core.raise_error(
      v_problems -> 0 ->> 'code', (v_problems -> 0) - 'code' || jsonb_build_object('problems', v_problems)
    );
  end if;
  return v_movements;
end
$$;

comment on function wms.read_movements(wms.document[], uuid[], uuid[], date, text) is
  'The parts of the lines of documents of one organisation: of each reservation that is held for a line, and of the rest '
  'as the line says. take_lines take their goods out of take_reservations, which are held for another document. Raises the '
  'error of the first part that may not move (item or place inactive, place elsewhere, lot missing or not approved); its '
  'details list every one.';
