-- What is due to be counted.

create type api.wms_count_due as (
  rule_id uuid,
  position_id uuid,
  position_code text,
  item_id uuid,
  sku text,
  item_name text,
  lot_id uuid,
  lot_no text,
  abc_class text,
  last_counted_on date,
  due_on date
);

comment on type api.wms_count_due is 'An item at a position that a rule has counted, without what lies there';

create or replace function api.wms_counts_due(warehouse_id uuid, on_date date default null)
returns setof api.wms_count_due
language plpgsql
stable
parallel safe
rows 100
-- definer: what is due follows from stock that the caller may count blind, and no quantity of it is shown
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
begin
  perform core.require_permission('wms.count.plan');
  if not exists (
    select
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_counts_due.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  end if;

  return query
  select
    r.id,
    d.position_id,
    p.code,
    d.item_id,
    i.sku,
    i.name,
    d.lot_id,
    t.lot_no,
    d.abc_class,
    d.last_counted_on,
    d.last_counted_on + r.every_days
  from wms.count_rule as r
  cross join lateral wms.balances_due(r, coalesce(wms_counts_due.on_date, core.today())) as d
  inner join core.location as p
    on p.org_id = r.org_id
    and p.id = d.position_id
  inner join core.item as i
    on i.org_id = r.org_id
    and i.id = d.item_id
  left join wms.lot as t
    on t.org_id = r.org_id
    and t.id = d.lot_id
  where r.org_id = v_org
    and r.warehouse_id = wms_counts_due.warehouse_id
    and r.is_active
  order by r.id, d.last_counted_on nulls first, i.sku, p.code, t.lot_no;
end
$$;

comment on function api.wms_counts_due(uuid, date) is
  'What the count rules of a warehouse have counted today, or on a day to come
By rule, what was counted longest ago first, at most max_lines of each rule. What is in an open count, or waits for a second
person, is left out. Refused: wms.not_a_warehouse (422). Needs wms.count.plan.';

grant execute on function api.wms_counts_due(uuid, date) to member, superadmin, migrator;
