-- What to order for a warehouse.

create type api.wms_reorder_suggestion as (
  item_id uuid,
  sku text,
  item_name text,
  unit_code text,
  minimum numeric,
  maximum numeric,
  multiple numeric,
  available numeric,
  expected numeric,
  suggested numeric
);

comment on type api.wms_reorder_suggestion is 'An item that is short in a warehouse, and how much of it to order';

create or replace function api.wms_reorder_suggest(warehouse_id uuid, after_sku text default null, page_size integer default 100)
returns setof api.wms_reorder_suggestion
language plpgsql
stable
parallel safe
rows 20
as $$
declare
  v_org uuid := core.org_id();
begin
  perform wms.check_page_size(page_size);
  if not exists (
    select
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_reorder_suggest.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  end if;

  return query
  with coming as materialized (
    select l.item_id, sum(l.quantity_base) as quantity
    from wms.document as d
    inner join wms.document_line as l
      on l.org_id = d.org_id
      and l.document_id = d.id
    where d.org_id = v_org
      and d.status = 'DRAFT'
      and d.document_type in ('IMPORT', 'TRANSFER', 'RETURN')
      and d.to_location_id = wms_reorder_suggest.warehouse_id
    group by l.item_id
  )
  select
    i.id,
    i.sku,
    i.name,
    i.unit_code,
    trim_scale(r.minimum),
    trim_scale(r.maximum),
    trim_scale(r.multiple),
    trim_scale(s.quantity - s.reserved - s.unusable),
    trim_scale(coalesce(c.quantity, 0)),
    trim_scale(
      wms.order_quantity(
        s.quantity - s.reserved - s.unusable + coalesce(c.quantity, 0), r.minimum, r.maximum, r.multiple
      )
    )
  from wms.reorder_rule as r
  inner join core.item as i
    on i.org_id = r.org_id
    and i.id = r.item_id
  left join coming as c
    on c.item_id = r.item_id
  cross join lateral wms.stock_in_warehouse(r.org_id, r.warehouse_id, r.item_id) as s
  where r.org_id = v_org
    and r.warehouse_id = wms_reorder_suggest.warehouse_id
    and i.is_active
    and not wms.is_counted_blind(r.item_id, r.warehouse_id)
    and (wms_reorder_suggest.after_sku is null or i.sku > wms_reorder_suggest.after_sku)
    and s.quantity - s.reserved - s.unusable + coalesce(c.quantity, 0) < r.minimum
  order by i.sku
  limit wms_reorder_suggest.page_size;
end
$$;

comment on function api.wms_reorder_suggest(uuid, text, integer) is
  'What to order for a warehouse
Items of which less than the minimum of their rule may be taken or is on its way (drafts of imports, transfers and returns
into the warehouse), and how many whole multiples bring them to the maximum. The next page: after_sku, the last one seen.
Errors: wms.not_a_warehouse, wms.page_size (422).';

grant execute on function api.wms_reorder_suggest(uuid, text, integer) to member, superadmin, migrator;
