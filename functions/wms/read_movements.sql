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
  v_reserved uuid[] := '{}';
  v_movements wms.movement[];
  v_problems text[];
  v_parts wms.line_part[];
  v_document wms.document;
begin
  foreach v_document in array documents loop
    if v_document.status in ('RESERVED', 'PICKING', 'PACKED') then
      v_reserved := v_reserved || v_document.id;
    end if;
  end loop;
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

  -- Everything is looked up line by line: `offset 0` keeps the planner from joining with all that the organisation has, which
  -- seems cheap while a table is empty. And what is not needed to go on (the words of an error) is not asked for here.
  select
    array_agg(c.movement order by c.document_no, c.line_no, c.reservation_id),
    array_agg(c.problem order by c.document_no, c.line_no, c.reservation_id)
  into v_movements, v_problems
  from (
    select
      s.document_no,
      s.line_no,
      s.reservation_id,
      row(
        s.document_id, s.document_no, s.line_no, s.line_id, s.item_id, s.lot_id, s.from_location_id, s.to_location_id,
        case when not f.is_virtual then s.from_end end,
        case when not p.is_virtual then s.to_end end,
        s.quantity,
        case when s.quantity = s.line_quantity then s.line_value else round(s.line_value * s.quantity / s.line_quantity, 4) end,
        i.tracking,
        -- A lot that is held may come back, be corrected, be put aside, and go back where it came from.
        s.is_checked and s.document_type <> 'RETURN' and p.kind <> 'QUARANTINE',
        s.reservation_id, s.reservation_document_id, s.is_hold_carried, s.occurred_at, s.reverses,
        -- What functions put somewhere they have made room for; what was found somewhere lies there, and what is reversed did.
        p.capacity is not null and s.is_checked and s.status <> 'POSTING'
      )::wms.movement as movement,
      case
        when not i.is_active and s.reverses is null then 'wms.item_inactive'
        when not s.is_from_active or not s.is_to_active or not f.is_active or not p.is_active then 'wms.place_inactive'
        when not wms.are_ends_of(s.document_type, f.kind, f.path, s.from_path, p.kind, p.path, s.to_path)
          then 'wms.place_elsewhere'
        when i.tracking <> 'NONE' and s.lot_id is null then 'wms.lot_required'
        when i.tracking = 'SERIAL' and s.quantity <> 1 then 'wms.serial_quantity'
        when t.status <> 'APPROVED' and s.is_checked and s.document_type <> 'RETURN' and p.kind <> 'QUARANTINE'
          then 'wms.lot_not_approved'
        -- Goods may be bound to zones: asked only where somebody has such a rule.
        when s.is_checked
          and p.kind in ('STORAGE', 'PICKING')
          and exists (select from wms.put_away_rule as r where r.org_id = v_org and r.is_required)
          and not wms.is_in_required_zone(p.zone, v_org, s.to_end, s.item_id, i.class)
          then 'wms.zone_required'
      end as problem
    from (
      -- A line is taken out of what is reserved for it, and what is not reserved, as the line says. A line may also take
      -- its goods out of the reservation of another document, for which it picks.
      select
        d.ordinality::integer as document_no,
        d.document_type,
        d.status,
        d.reverses,
        d.reverses is null and d.document_type not in ('ADJUSTMENT', 'COUNT') as is_checked,
        d.from_location_id as from_end,
        d.to_location_id as to_end,
        w.path as from_path,
        w.is_active as is_from_active,
        x.path as to_path,
        x.is_active as is_to_active,
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
        r.id is not null and not r.is_own and d.document_type in ('MOVE', 'TRANSFER') as is_hold_carried,
        case
          when coalesce(d.posting_date, today) = today then date_trunc('milliseconds', now())
          else (d.posting_date + 1)::timestamp at time zone read_movements.time_zone - interval '1 millisecond'
        end as occurred_at
      from unnest(documents) with ordinality as d
      left join lateral (
        select w.path, w.is_active
        from core.location as w
        where w.org_id = v_org
          and w.id = d.from_location_id
        offset 0
      ) as w on true
      left join lateral (
        select w.path, w.is_active
        from core.location as w
        where w.org_id = v_org
          and w.id = d.to_location_id
        offset 0
      ) as x on true
      cross join lateral (
        select
          l.document_id, l.line_no, l.id, l.item_id, l.lot_id, l.from_position_id, l.to_position_id, l.quantity,
          l.quantity_base, l.unit_price, l.booked_value
        from wms.document_line as l
        where l.org_id = v_org
          and l.document_id = d.id
        offset 0
      ) as l
      left join unnest(v_parts) as r
        on r.line_id = l.id
      offset 0
    ) as s
    cross join lateral (
      select i.tracking, i.is_active, i.class
      from core.item as i
      where i.org_id = v_org
        and i.id = s.item_id
      offset 0
    ) as i
    cross join lateral (
      select f.kind, f.path, f.is_active, f.is_virtual
      from core.location as f
      where f.org_id = v_org
        and f.id = s.from_location_id
      offset 0
    ) as f
    cross join lateral (
      select p.kind, p.path, p.is_active, p.is_virtual, p.zone, p.capacity
      from core.location as p
      where p.org_id = v_org
        and p.id = s.to_location_id
      offset 0
    ) as p
    left join lateral (
      select t.status
      from wms.lot as t
      where t.org_id = v_org
        and t.id = s.lot_id
      offset 0
    ) as t on true
    where s.quantity > 0
  ) as c;

  if array_remove(v_problems, null) <> '{}' then
    perform wms.raise_problems(documents, v_movements, v_problems);
  end if;
  return v_movements;
end
$$;

comment on function wms.read_movements(wms.document[], uuid[], uuid[], date, text) is
  'The parts of the lines of documents of one organisation: of each reservation that is held for a line, and of the rest '
  'as the line says. take_lines take their goods out of take_reservations, which are held for another document. Raises the '
  'error of the first part that may not move (item or place inactive, place elsewhere, lot missing or not approved); its '
  'details list every one.';

create or replace function wms.raise_problems(documents wms.document[], movements wms.movement[], problems text[])
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := documents[1].org_id;
  v_problems jsonb;
begin
  select jsonb_agg(
    jsonb_build_object(
      'line', m.line_no, 'code', k.problem, 'item', i.sku, 'item_id', m.item_id, 'lot', t.lot_no, 'lot_status', t.status,
      'place',
      case
        when not w.is_active then w.code
        when not x.is_active then x.code
        when f.is_active and wms.is_position_of(f.kind, f.path, w.path) then p.code
        else f.code
      end,
      'id', m.document_id
    )
    || case
      when k.problem = 'wms.zone_required' then jsonb_build_object(
        'zones', array_to_string(wms.required_zones(v_org, d.to_location_id, m.item_id, i.class), ', ')
      )
      else '{}'
    end
    order by m.document_no, m.line_no
  )
  into v_problems
  from unnest(movements) with ordinality as m
  inner join unnest(problems) with ordinality as k (problem, n)
    on k.n = m.ordinality
  inner join unnest(documents) as d
    on d.id = m.document_id
  inner join core.item as i
    on i.org_id = v_org
    and i.id = m.item_id
  inner join core.location as f
    on f.org_id = v_org
    and f.id = m.from_location_id
  inner join core.location as p
    on p.org_id = v_org
    and p.id = m.to_location_id
  left join core.location as w
    on w.org_id = v_org
    and w.id = d.from_location_id
  left join core.location as x
    on x.org_id = v_org
    and x.id = d.to_location_id
  left join wms.lot as t
    on t.org_id = v_org
    and t.id = m.lot_id
  where k.problem is not null;

  perform core.raise_error(
    v_problems -> 0 ->> 'code', (v_problems -> 0) - 'code' || jsonb_build_object('problems', v_problems)
  );
end
$$;

comment on function wms.raise_problems(wms.document[], wms.movement[], text[]) is
  'Raises the error of the first of the movements that has a problem (its code), with every one in the details.';
