-- Staged rows of the warehouse: warehouses, lots and opening stock.

create or replace function wms.import_wms_warehouses(import_id uuid, first_line integer, last_line integer)
returns table (line integer, match_id uuid, problems jsonb, code text, name text, parent_id uuid, unit_id uuid)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when r.data ->> 'parent' is not null and p.id is null
          then core.import_problem('parent', 'core.import_reference', r.data ->> 'parent', '{"entity": "place"}')
      end,
      case
        when r.data ->> 'unit' is not null and u.id is null
          then core.import_problem('unit', 'core.import_reference', r.data ->> 'unit', '{"entity": "unit"}')
      end,
      case
        when m.kind <> 'WAREHOUSE' then core.import_problem('code', 'wms.place_exists', r.data ->> 'code',
          jsonb_build_object('code', r.data ->> 'code'))
        when m.name <> r.data ->> 'name' then core.import_problem(
          'name', 'core.import_fixed', r.data ->> 'name', jsonb_build_object('current', m.name)
        )
      end
    ),
    r.data ->> 'code',
    r.data ->> 'name',
    p.id,
    u.id
  from core.import_lines(
    import_wms_warehouses.import_id, import_wms_warehouses.first_line, import_wms_warehouses.last_line
  ) as r
  left join core.location_paths() as p on p.path = r.data ->> 'parent'
  left join core.org_unit_paths() as u on u.path = r.data ->> 'unit'
  left join core.location as m
    on m.org_id = r.org_id
    and m.parent_id is not distinct from p.id
    and m.code = r.data ->> 'code';
end;

comment on function wms.import_wms_warehouses(uuid, integer, integer) is
  'Staged rows of warehouses, by the place they lie in and code';

grant execute on function wms.import_wms_warehouses(uuid, integer, integer) to member, superadmin, migrator;

create or replace function wms.load_warehouses(import_id uuid, first_line integer, last_line integer)
returns setof integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_row record;
begin
  for v_row in
    select f.*
    from wms.import_wms_warehouses(load_warehouses.import_id, load_warehouses.first_line, load_warehouses.last_line) as f
    where f.match_id is null and f.problems is null
    order by f.line
  loop
    perform api.wms_warehouse_create(v_row.code, v_row.name, v_row.parent_id, v_row.unit_id);
    return next v_row.line;
  end loop;
end
$$;

comment on function wms.load_warehouses(uuid, integer, integer) is
  'Make warehouses of staged rows, with their default positions; returns the lines';

grant execute on function wms.load_warehouses(uuid, integer, integer) to member, superadmin, migrator;

create or replace function wms.import_wms_lots(import_id uuid, first_line integer, last_line integer)
returns table (line integer, match_id uuid, problems jsonb, item_id uuid, lot_no text, expires_on date, note text)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    t.id,
    core.import_problems(
      case
        when i.id is null
          then core.import_problem('item', 'core.import_reference', r.data ->> 'item', '{"entity": "item"}')
      end,
      case
        when i.tracking = 'NONE' then core.import_problem('item', 'wms.lot_not_wanted', r.data ->> 'item')
      end
    ),
    i.id,
    r.data ->> 'lot_no',
    (r.data ->> 'expires_on')::date,
    r.data ->> 'note'
  from core.import_row as r
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'item'
  left join wms.lot as t on t.org_id = r.org_id and t.item_id = i.id and t.lot_no = r.data ->> 'lot_no'
  where r.org_id = (select core.org_id())
    and r.import_id = import_wms_lots.import_id
    and r.line between import_wms_lots.first_line and import_wms_lots.last_line
    and r.problems is null;
end;

comment on function wms.import_wms_lots(uuid, integer, integer) is 'Staged rows as rows of wms.lot, by item and number';

grant execute on function wms.import_wms_lots(uuid, integer, integer) to member, superadmin, migrator;

create or replace function wms.import_wms_opening_stock(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  warehouse_id uuid,
  position_id uuid,
  item_id uuid,
  lot_id uuid,
  quantity numeric,
  unit_code text,
  unit_price numeric
)
language sql
stable
parallel safe
begin atomic
  with places as materialized (
    select p.id, p.path
    from core.location_paths() as p
  )
  select
    r.line,
    b.line_id,
    core.import_problems(
      case
        when w.id is null or w.kind <> 'WAREHOUSE'
          then core.import_problem('warehouse', 'core.import_reference', r.data ->> 'warehouse', '{"entity": "warehouse"}')
        when not w.is_active then core.import_problem(
          'warehouse', 'wms.place_inactive', r.data ->> 'warehouse', jsonb_build_object('place', w.code)
        )
      end,
      case
        when q.id is null or not wms.is_position_of(q.kind, q.path, w.path)
          then core.import_problem('position', 'core.import_reference', r.data ->> 'position', '{"entity": "position"}')
      end,
      case
        when i.id is null
          then core.import_problem('item', 'core.import_reference', r.data ->> 'item', '{"entity": "item"}')
        when i.tracking <> 'NONE' and r.data ->> 'lot_no' is null
          then core.import_problem('lot_no', 'core.import_required')
        when i.tracking = 'NONE' and r.data ->> 'lot_no' is not null
          then core.import_problem('lot_no', 'wms.lot_not_wanted', r.data ->> 'lot_no')
        when r.data ->> 'lot_no' is not null and t.id is null
          then core.import_problem('lot_no', 'core.import_reference', r.data ->> 'lot_no', '{"entity": "lot"}')
      end,
      case
        when (r.data ->> 'quantity')::numeric <= 0
          then core.import_problem('quantity', 'core.import_not_positive', r.data ->> 'quantity')
      end,
      case
        when (r.data ->> 'unit_price')::numeric < 0
          then core.import_problem('unit_price', 'core.import_negative', r.data ->> 'unit_price')
      end,
      case
        when u.code is null and r.data ->> 'unit_code' is not null
          then core.import_problem('unit_code', 'core.import_reference', r.data ->> 'unit_code', '{"entity": "unit"}')
      end,
      case
        when b.quantity <> round((r.data ->> 'quantity')::numeric, 6)
          or b.unit_code <> coalesce(r.data ->> 'unit_code', i.unit_code)
          then core.import_problem(
            'quantity', 'wms.opening_stock_differs', r.data ->> 'quantity',
            jsonb_build_object('number', b.number, 'current', trim_scale(b.quantity) || ' ' || b.unit_code)
          )
      end
    ),
    w.id,
    q.id,
    i.id,
    t.id,
    (r.data ->> 'quantity')::numeric,
    coalesce(r.data ->> 'unit_code', i.unit_code),
    (r.data ->> 'unit_price')::numeric
  from core.import_lines(
    import_wms_opening_stock.import_id, import_wms_opening_stock.first_line, import_wms_opening_stock.last_line
  ) as r
  left join places as p on p.path = r.data ->> 'warehouse'
  left join core.location as w on w.org_id = r.org_id and w.id = p.id
  left join places as s on s.path = (r.data ->> 'warehouse') || '/' || coalesce(r.data ->> 'position', 'UNASSIGNED')
  left join core.location as q on q.org_id = r.org_id and q.id = s.id
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'item'
  left join wms.lot as t on t.org_id = r.org_id and t.item_id = i.id and t.lot_no = r.data ->> 'lot_no'
  left join core.unit as u on u.code = r.data ->> 'unit_code'
  -- What an earlier import opened there: the same again changes nothing.
  left join lateral (
    select l.id as line_id, l.quantity, l.unit_code, d.number
    from wms.document_line as l
    join wms.document as d on d.org_id = l.org_id and d.id = l.document_id
    where l.org_id = r.org_id
      and l.item_id = i.id
      and l.lot_id is not distinct from t.id
      and l.to_position_id = q.id
      and d.to_location_id = w.id
      and d.document_type = 'IMPORT'
      and d.status = 'POSTED'
      and d.reference = 'OPENING STOCK'
    -- lint: allow sqlfluff.AM09: there are two only if two imports ran at once, and either will do
    limit 1
  ) as b on true;
end;

comment on function wms.import_wms_opening_stock(uuid, integer, integer) is
  'Staged rows of opening stock; match_id is the line of the document that opened the same stock before';

grant execute on function wms.import_wms_opening_stock(uuid, integer, integer) to member, superadmin, migrator;

create or replace function wms.load_opening_stock(import_id uuid, first_line integer, last_line integer)
returns setof integer
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_part record;
  v_document api.wms_documents;
begin
  -- Documents of at most 500 lines each, so that none is too long to be read.
  for v_part in
    select p.warehouse_id, array_agg(p.line order by p.line) as lines, jsonb_agg(
      jsonb_strip_nulls(jsonb_build_object(
        'item_id', p.item_id, 'lot_id', p.lot_id, 'to_position_id', p.position_id, 'quantity', p.quantity,
        'unit_code', p.unit_code, 'unit_price', p.unit_price
      ))
      order by p.line
    ) as document_lines
    from (
      select f.*, (row_number() over (partition by f.warehouse_id order by f.line) - 1) / 500 as part
      from wms.import_wms_opening_stock(
        load_opening_stock.import_id, load_opening_stock.first_line, load_opening_stock.last_line
      ) as f
      where f.match_id is null and f.problems is null
    ) as p
    group by p.warehouse_id, p.part
    order by min(p.line)
  loop
    v_document := api.wms_document_create(
      'IMPORT', null, v_part.warehouse_id, null, 'OPENING STOCK', null, v_part.document_lines
    );
    perform api.wms_document_post(v_document.id);
    return query select l.line from unnest(v_part.lines) as l (line);
  end loop;
end
$$;

comment on function wms.load_opening_stock(uuid, integer, integer) is
  'Post documents with the reference OPENING STOCK for staged rows, by warehouse and at most 500 lines each; returns the lines';

grant execute on function wms.load_opening_stock(uuid, integer, integer) to member, superadmin, migrator;
