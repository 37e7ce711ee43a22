-- Lines of a document as a client sends them, checked and completed in one pass.

create or replace function wms.read_lines(
  document_id uuid,
  document_type text,
  from_location_id uuid,
  to_location_id uuid,
  lines jsonb
)
returns wms.document_line[]
language plpgsql
volatile
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_from_path public.ltree;
  v_to_path public.ltree;
  v_from_default uuid;
  v_to_default uuid;
  v_unknown text;
  v_lines wms.document_line[];
  v_problems jsonb;
begin
  if lines is null or jsonb_typeof(lines) <> 'array' then
    perform core.raise_error('wms.lines_malformed');
  elsif jsonb_array_length(lines) = 0 then
    perform core.raise_error('wms.lines_missing');
  elsif jsonb_path_exists(lines, 'strict $[*] ? (@.type() != "object")') then
    perform core.raise_error('wms.lines_malformed');
  end if;

  select min(k.key)
  into v_unknown
  from jsonb_array_elements(lines) as e (line)
  cross join jsonb_object_keys(e.line) as k (key)
  where k.key not in (
      'id', 'item_id', 'lot_id', 'from_position_id', 'to_position_id', 'quantity', 'unit_code', 'unit_price'
    );
  if v_unknown is not null then
    perform core.raise_error('wms.line_key_unknown', jsonb_build_object('key', v_unknown));
  end if;

  v_from_path := (select w.path from core.location as w where w.org_id = v_org and w.id = from_location_id);
  v_to_path := (select w.path from core.location as w where w.org_id = v_org and w.id = to_location_id);
  if document_type in ('ADJUSTMENT', 'COUNT') then
    -- The end that a line leaves out is the one at which nothing lies.
    v_from_default := wms.virtual_place(v_org, wms.outside_kind(document_type));
    v_to_default := v_from_default;
  else
    v_from_default := wms.default_position(v_org, document_type, from_location_id, false);
    v_to_default := wms.default_position(v_org, document_type, to_location_id, true);
  end if;

  with given as materialized (
    select
      coalesce(r.id, uuidv7()) as id,
      r.line_no::integer as line_no,
      r.item_id,
      r.lot_id,
      coalesce(r.from_position_id, v_from_default) as from_position_id,
      coalesce(r.to_position_id, v_to_default) as to_position_id,
      r.quantity,
      coalesce(r.unit_code, i.unit_code) as unit_code,
      i.unit_code as item_unit,
      r.unit_price,
      case
        when r.item_id is null or i.id is null then 'wms.line_item_unknown'
        when not i.is_active then 'wms.line_item_inactive'
        when r.quantity is null or r.quantity <= 0 or r.quantity = 'NaN' then 'wms.line_quantity_not_positive'
        when r.unit_price < 0 or r.unit_price = 'NaN' then 'wms.line_price_negative'
        when u.code is null then 'wms.line_unit_unknown'
        when i.tracking = 'SERIAL'
          and r.lot_id is not null
          and r.quantity <> 1
          and coalesce(r.unit_code, i.unit_code) = i.unit_code
          then 'wms.line_serial_quantity'
        when r.lot_id is not null and i.tracking = 'NONE' then 'wms.line_lot_not_wanted'
        when r.lot_id is not null and t.id is null then 'wms.line_lot_unknown'
        when not coalesce(
          wms.are_ends_of(document_type, f.kind, f.path, v_from_path, p.kind, p.path, v_to_path), false
        ) then 'wms.line_place_elsewhere'
        when f.id = p.id then 'wms.line_place_same'
      end as problem
    from rows from (
      jsonb_to_recordset(lines) as (
        id uuid,
        item_id uuid,
        lot_id uuid,
        from_position_id uuid,
        to_position_id uuid,
        quantity numeric,
        unit_code text,
        unit_price numeric
      )
    ) with ordinality as r (
      id, item_id, lot_id, from_position_id, to_position_id, quantity, unit_code, unit_price, line_no
    )
    left join core.item as i
      on i.org_id = v_org
      and i.id = r.item_id
    left join core.unit as u
      on u.code = coalesce(r.unit_code, i.unit_code)
    left join wms.lot as t
      on t.org_id = v_org
      and t.item_id = r.item_id
      and t.id = r.lot_id
    left join core.location as f
      on f.org_id = v_org
      and f.id = coalesce(r.from_position_id, v_from_default)
    left join core.location as p
      on p.org_id = v_org
      and p.id = coalesce(r.to_position_id, v_to_default)
  ),
  based as (
    select
      g.*,
      case
        when g.problem is not null then null
        when g.unit_code = g.item_unit then round(g.quantity, 6)
        else round(core.convert(g.quantity, g.unit_code, g.item_unit, g.item_id), 6)
      end as quantity_base
    from given as g
  )
  select
    array_agg(
      row(
        v_org, document_id, b.id, b.line_no, b.item_id, b.lot_id, b.from_position_id, b.to_position_id, b.quantity,
        b.unit_code, b.quantity_base, b.unit_price, null, now(), core.user_id(), null
      )::wms.document_line
      order by b.line_no
    ) filter (where b.problem is null),
    jsonb_agg(
      jsonb_build_object('line', b.line_no, 'code', coalesce(b.problem, 'wms.line_quantity_too_small'), 'item_id', b.item_id)
      order by b.line_no
    ) filter (where b.problem is not null or b.quantity_base = 0 or round(b.quantity, 6) = 0)
  into v_lines, v_problems
  from based as b;

  if v_problems is not null then
    perform core.raise_error(
      v_problems -> 0 ->> 'code',
      jsonb_build_object('line', v_problems -> 0 -> 'line', 'problems', v_problems)
    );
  end if;

  return v_lines;
end
$$;

comment on function wms.read_lines(uuid, text, uuid, uuid, jsonb) is
  'Turns the JSON lines of a document into rows, numbered from 1, with default places and the quantity in the unit of the '
  'item. Raises the error of the first wrong line; its details list every wrong line.';
