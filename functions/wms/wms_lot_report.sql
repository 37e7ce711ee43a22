-- Where a lot is, and who has had it.

create type api.wms_lot_whereabouts as (
  lot_id uuid,
  lot_no text,
  status text,
  status_reason text,
  item_id uuid,
  sku text,
  item_name text,
  unit_code text,
  quantity_in_house numeric,
  quantity_delivered numeric,
  in_house jsonb,
  received_by jsonb,
  supplied_by jsonb,
  planned jsonb
);

comment on type api.wms_lot_whereabouts is 'Where a lot is, who received it, who supplied it, and which documents want it';

create or replace function api.wms_lot_report(lot_id uuid)
returns api.wms_lot_whereabouts
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_row api.wms_lot_whereabouts;
begin
  select t.id, t.lot_no, t.status, t.status_reason, i.id, i.sku, i.name, i.unit_code
  into v_row.lot_id, v_row.lot_no, v_row.status, v_row.status_reason, v_row.item_id, v_row.sku, v_row.item_name,
    v_row.unit_code
  from wms.lot as t
  inner join core.item as i
    on i.org_id = t.org_id
    and i.id = t.item_id
  where t.org_id = v_org
    and t.id = wms_lot_report.lot_id;
  if not found then
    perform core.raise_error('wms.lot_not_found', jsonb_build_object('id', lot_id));
  end if;

  select
    trim_scale(coalesce(sum(b.quantity), 0)),
    coalesce(
      jsonb_agg(
        jsonb_build_object(
          'warehouse_id', w.id, 'warehouse_code', w.code, 'location_id', p.id, 'location_code', p.code,
          'quantity', trim_scale(b.quantity), 'reserved', trim_scale(b.reserved)
        )
        order by w.code, p.code
      ),
      '[]'
    )
  into v_row.quantity_in_house, v_row.in_house
  from wms.balance as b
  inner join core.location as p
    on p.org_id = b.org_id
    and p.id = b.location_id
  inner join core.location as w
    on w.org_id = b.org_id
    and w.id = b.warehouse_id
  where b.org_id = v_org
    and b.item_id = v_row.item_id
    and b.lot_id = wms_lot_report.lot_id
    and b.quantity > 0;

  -- What went to a partner less what came back, and what a supplier brought less what was sent back.
  with outside as (
    select
      q.kind,
      d.partner_id,
      sum(l.delta) as quantity,
      jsonb_agg(distinct jsonb_build_object('id', d.id, 'number', d.number, 'document_type', d.document_type)) as documents
    from wms.stock_ledger as l
    inner join core.location as q
      on q.org_id = l.org_id
      and q.id = l.location_id
      and q.is_virtual
    inner join wms.document as d
      on d.org_id = l.org_id
      and d.id = l.document_id
    where l.org_id = v_org
      and l.lot_id = wms_lot_report.lot_id
    group by q.kind, d.partner_id
  ),
  told as (
    select
      o.kind,
      o.quantity,
      jsonb_build_object(
        'partner_id', o.partner_id, 'partner_code', p.code, 'partner_name', p.name, 'place', o.kind,
        'quantity', trim_scale(case o.kind when 'SUPPLIER' then - o.quantity else o.quantity end), 'documents', o.documents
      ) as entry
    from outside as o
    left join core.partner as p
      on p.org_id = v_org
      and p.id = o.partner_id
  )
  select
    trim_scale(coalesce(sum(t.quantity) filter (where t.kind <> 'SUPPLIER'), 0)),
    coalesce(jsonb_agg(t.entry order by t.entry ->> 'partner_name') filter (where t.kind <> 'SUPPLIER'), '[]'),
    coalesce(jsonb_agg(t.entry order by t.entry ->> 'partner_name') filter (where t.kind = 'SUPPLIER'), '[]')
  into v_row.quantity_delivered, v_row.received_by, v_row.supplied_by
  from told as t;

  select coalesce(jsonb_agg(e.entry order by e.entry ->> 'document_id'), '[]')
  into v_row.planned
  from (
    select
      jsonb_build_object(
        'document_id', d.id, 'document_type', d.document_type, 'status', d.status, 'partner_id', d.partner_id,
        'quantity', trim_scale(sum(l.quantity_base))
      ) as entry
    from wms.document_line as l
    inner join wms.document as d
      on d.org_id = l.org_id
      and d.id = l.document_id
    where l.org_id = v_org
      and l.item_id = v_row.item_id
      and l.lot_id = wms_lot_report.lot_id
      and d.status not in ('POSTED', 'REVERSED', 'CANCELLED')
    group by d.id, d.document_type, d.status, d.partner_id
  ) as e;
  return v_row;
end
$$;

comment on function api.wms_lot_report(uuid) is
  'Where a lot is, who received it, who supplied it, and which open documents want it
Quantities in unit_code; received_by is net of returns and also names what was lost or used (place LOSS, PRODUCTION).
Error: wms.lot_not_found (404).';

grant execute on function api.wms_lot_report(uuid) to member, superadmin, migrator;
