-- What must hold for the lines of a document at the moment of posting; stock itself is checked under lock afterwards.

create or replace function wms.check_for_posting(document wms.document)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_paths public.ltree[];
  v_problems jsonb;
begin
  if document.line_count = 0 then
    perform core.raise_error('wms.lines_missing', jsonb_build_object('id', document.id));
  elsif document.posting_date > core.today() then
    perform core.raise_error('wms.posting_date_ahead', jsonb_build_object('posting_date', document.posting_date));
  end if;

  select array_agg(w.path order by e.n), jsonb_agg(
    jsonb_build_object('place', w.code, 'id', w.id)
    order by e.n
  ) filter (where not w.is_active)
  into v_paths, v_problems
  from unnest(array[document.from_location_id, document.to_location_id]) with ordinality as e (id, n)
  left join core.location as w
    on w.org_id = document.org_id
    and w.id = e.id;
  if v_problems is not null then
    perform core.raise_error('wms.place_inactive', v_problems -> 0);
  end if;

  select jsonb_agg(
    jsonb_build_object(
      'line', c.line_no, 'code', c.problem, 'item', c.sku, 'item_id', c.item_id, 'lot', c.lot_no, 'lot_status', c.status,
      'place', c.place
    )
    order by c.line_no
  )
  into v_problems
  from (
    select
      l.line_no,
      l.item_id,
      i.sku,
      t.lot_no,
      t.status,
      case when f.is_active and wms.is_position_of(f.kind, f.path, v_paths[1]) then p.code else f.code end as place,
      case
        when not i.is_active then 'wms.item_inactive'
        when not f.is_active or not p.is_active then 'wms.place_inactive'
        when not wms.is_position_of(f.kind, f.path, v_paths[1]) or not wms.is_position_of(p.kind, p.path, v_paths[2])
          then 'wms.place_elsewhere'
        when i.tracking <> 'NONE' and l.lot_id is null then 'wms.lot_required'
        when t.status <> 'APPROVED' then 'wms.lot_not_approved'
      end as problem
    from wms.document_line as l
    inner join core.item as i
      on i.org_id = l.org_id
      and i.id = l.item_id
    inner join core.location as f
      on f.org_id = l.org_id
      and f.id = l.from_position_id
    inner join core.location as p
      on p.org_id = l.org_id
      and p.id = l.to_position_id
    left join wms.lot as t
      on t.org_id = l.org_id
      and t.id = l.lot_id
    where l.org_id = document.org_id
      and l.document_id = document.id
  ) as c
  where c.problem is not null;

  if v_problems is not null then
    perform core.raise_error(
      v_problems -> 0 ->> 'code', (v_problems -> 0) - 'code' || jsonb_build_object('problems', v_problems)
    );
  end if;
end
$$;

comment on function wms.check_for_posting(wms.document) is
  'Raises the error of the first line that may not be posted: item or place inactive, place outside the warehouse, lot '
  'missing or not approved. The details list every such line.';
