-- Where a lot came from and where it went.

create type api.wms_lot_step as (
  id uuid,
  step text,
  occurred_at timestamptz,
  document_id uuid,
  document_type text,
  number text,
  reference text,
  partner_id uuid,
  partner_name text,
  from_places text [],
  to_places text [],
  quantity numeric,
  unit_code text
);

comment on type api.wms_lot_step is 'A line of a document that moved a lot';

create or replace function wms.lot_steps(org_id uuid, lot_id uuid)
returns table (
  id uuid,
  step text,
  occurred_at timestamptz,
  document_id uuid,
  document_type text,
  number text,
  reference text,
  partner_id uuid,
  partner_name text,
  from_places text[],
  to_places text[],
  quantity numeric,
  unit_code text
)
language sql
stable
parallel safe
begin atomic
  select
    m.id,
    case when m.is_origin then 'ORIGIN' when m.is_destination then 'DESTINATION' else 'MOVE' end,
    m.occurred_at,
    d.id,
    d.document_type,
    d.number,
    d.reference,
    d.partner_id,
    p.name,
    m.from_places,
    m.to_places,
    trim_scale(m.quantity),
    i.unit_code
  from (
    select
      l.org_id,
      l.document_id,
      l.line_id,
      (array_agg(l.id order by l.id))[1] as id,
      max(l.occurred_at) as occurred_at,
      (array_agg(l.item_id))[1] as item_id,
      bool_or(l.delta < 0 and q.is_virtual) as is_origin,
      bool_or(l.delta > 0 and q.is_virtual) as is_destination,
      array_agg(distinct concat_ws('/', u.code, q.code)) filter (where l.delta < 0) as from_places,
      array_agg(distinct concat_ws('/', u.code, q.code)) filter (where l.delta > 0) as to_places,
      sum(l.delta) filter (where l.delta > 0) as quantity
    from wms.stock_ledger as l
    inner join core.location as q
      on q.org_id = l.org_id
      and q.id = l.location_id
    left join core.location as u
      on u.org_id = q.org_id
      and u.id = q.parent_id
    where l.org_id = lot_steps.org_id
      and l.lot_id = lot_steps.lot_id
    group by l.org_id, l.document_id, l.line_id
  ) as m
  inner join wms.document as d
    on d.org_id = m.org_id
    and d.id = m.document_id
  inner join core.item as i
    on i.org_id = m.org_id
    and i.id = m.item_id
  left join core.partner as p
    on p.org_id = d.org_id
    and p.id = d.partner_id;
end;

comment on function wms.lot_steps(uuid, uuid) is 'Every line that moved a lot, in no order';

grant execute on function wms.lot_steps(uuid, uuid) to member, superadmin, migrator;

create or replace function api.wms_lot_trace(
  lot_id uuid,
  direction text default 'BOTH',
  after uuid default null,
  page_size integer default 100
)
returns setof api.wms_lot_step
language plpgsql
stable
parallel safe
rows 20
as $$
declare
  v_org uuid := core.org_id();
begin
  perform wms.check_page_size(page_size);
  if direction is null or direction not in ('BACK', 'FORWARD', 'BOTH') then
    perform core.raise_error('wms.trace_direction', jsonb_build_object('direction', direction));
  elsif not exists (select from wms.lot as t where t.org_id = v_org and t.id = wms_lot_trace.lot_id) then
    perform core.raise_error('wms.lot_not_found', jsonb_build_object('id', lot_id));
  end if;
  return query
  select s.*
  from wms.lot_steps(v_org, wms_lot_trace.lot_id) as s
  where (wms_lot_trace.after is null or s.id > wms_lot_trace.after)
    and s.step <> case wms_lot_trace.direction when 'BACK' then 'DESTINATION' when 'FORWARD' then 'ORIGIN' else '' end
  order by s.id
  limit wms_lot_trace.page_size;
end
$$;

comment on function api.wms_lot_trace(uuid, text, uuid, integer) is
  'Where a lot came from and where it went, step by step
direction: BACK (what came from outside, and moves), FORWARD (moves, and what went outside) or BOTH. In the order of posting;
the next page: after, the last id seen. Errors: wms.trace_direction, wms.page_size (422), wms.lot_not_found (404).';

grant execute on function api.wms_lot_trace(uuid, text, uuid, integer) to member, superadmin, migrator;
