-- A new warehouse, ready to receive.

create or replace function api.wms_warehouse_create(
  code text,
  name text,
  parent_id uuid default null,
  unit_id uuid default null,
  time_zone text default null,
  id uuid default null
)
returns api.wms_warehouses
language plpgsql
volatile
parallel unsafe
-- definer: who may make a warehouse need not be able to make any other place
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_warehouse_create.id, uuidv7());
  v_row api.wms_warehouses;
begin
  perform core.require_permission('wms.warehouse.create');
  if coalesce(btrim(code), '') = '' or coalesce(btrim(name), '') = '' then
    perform core.raise_error('wms.warehouse_unnamed');
  end if;
  if exists (
    select
    from core.location as p
    where p.org_id = v_org
      and p.parent_id is not distinct from wms_warehouse_create.parent_id
      and p.code = btrim(wms_warehouse_create.code)
  ) then
    perform core.raise_error('wms.place_exists', jsonb_build_object('code', btrim(code)));
  end if;

  insert into core.location (org_id, id, parent_id, kind, code, name, unit_id, time_zone)
  values (
    v_org, v_id, wms_warehouse_create.parent_id, 'WAREHOUSE', btrim(wms_warehouse_create.code),
    btrim(wms_warehouse_create.name), wms_warehouse_create.unit_id, wms_warehouse_create.time_zone
  );

  insert into core.location (org_id, parent_id, kind, code, name)
  values
    (v_org, v_id, 'RECEIVING', 'RECEIVING', 'Receiving'),
    (v_org, v_id, 'STORAGE', 'STORAGE', 'Storage'),
    (v_org, v_id, 'SHIPPING', 'SHIPPING', 'Shipping'),
    (v_org, v_id, 'UNASSIGNED', 'UNASSIGNED', 'Unassigned');

  select w.* into v_row from api.wms_warehouses as w where w.org_id = v_org and w.id = v_id;
  return v_row;
end
$$;

comment on function api.wms_warehouse_create(text, text, uuid, uuid, text, uuid) is
  'Make a warehouse with its four default positions
RECEIVING, STORAGE, SHIPPING and UNASSIGNED. parent_id may be a site, unit_id the organisation unit that runs it.
Needs wms.warehouse.create.';

grant execute on function api.wms_warehouse_create(text, text, uuid, uuid, text, uuid) to member, superadmin, migrator;
