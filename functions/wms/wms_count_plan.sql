-- A count that is to be made.

create or replace function api.wms_count_plan(
  warehouse_id uuid,
  position_id uuid default null,
  zone text default null,
  item_id uuid default null,
  item_class text default null,
  is_blind boolean default true,
  planned_on date default null,
  note text default null,
  id uuid default null
)
returns api.wms_counts
language plpgsql
volatile
parallel unsafe
-- definer: counts are written by these functions only, nobody has a grant to insert them
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_count_plan.id, uuidv7());
  v_path public.ltree;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.plan');
  if wms_count_plan.id is not null and exists (
    select from wms.count_session as c where c.org_id = v_org and c.id = v_id
  ) then
    perform core.raise_error('wms.count_exists', jsonb_build_object('id', v_id));
  end if;
  v_path := (
    select w.path
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_count_plan.warehouse_id
      and w.kind = 'WAREHOUSE'
  );
  if v_path is null then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  elsif wms_count_plan.position_id is not null and not exists (
    select
    from core.location as p
    where p.org_id = v_org
      and p.id = wms_count_plan.position_id
      and wms.is_position_of(p.kind, p.path, v_path)
  ) then
    perform core.raise_error('wms.position_elsewhere', jsonb_build_object('position_id', position_id));
  elsif wms_count_plan.item_id is not null and not exists (
    select from core.item as i where i.org_id = v_org and i.id = wms_count_plan.item_id
  ) then
    perform core.raise_error('wms.item_unknown', jsonb_build_object('item_id', item_id));
  elsif wms_count_plan.item_class not in (
    'GOODS', 'YARN', 'FABRIC', 'TRIM', 'ACCESSORY', 'PACKING', 'FINISHED_GOODS', 'COMMODITY'
  ) then
    perform core.raise_error('wms.item_class_unknown', jsonb_build_object('item_class', item_class));
  end if;

  insert into wms.count_session (
    org_id, id, warehouse_id, position_id, zone, item_id, item_class, is_blind, planned_on, note
  )
  values (
    v_org, v_id, wms_count_plan.warehouse_id, wms_count_plan.position_id, nullif(btrim(wms_count_plan.zone), ''),
    wms_count_plan.item_id, wms_count_plan.item_class, coalesce(wms_count_plan.is_blind, true),
    wms_count_plan.planned_on, nullif(btrim(wms_count_plan.note), '')
  );

  select c.* into v_row from api.wms_counts as c where c.org_id = v_org and c.id = v_id;
  return v_row;
end
$$;

comment on function api.wms_count_plan(uuid, uuid, text, uuid, text, boolean, date, text, uuid) is
  'Plan a count of a warehouse
All of it, or what position_id (with all below it), zone, item_id and item_class leave. Blind unless is_blind is false: who
counts does not see what is expected. id may be made by the client. Needs wms.count.plan.';

grant execute on function api.wms_count_plan(uuid, uuid, text, uuid, text, boolean, date, text, uuid)
to member, superadmin, migrator;
