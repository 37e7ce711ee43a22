-- A further position in a warehouse.

create or replace function api.wms_position_create(
  warehouse_id uuid,
  code text,
  name text,
  kind text default 'STORAGE',
  parent_id uuid default null,
  zone text default null,
  capacity numeric default null,
  capacity_unit text default null,
  id uuid default null
)
returns api.wms_positions
language plpgsql
volatile
parallel unsafe
-- definer: who may make a position need not be able to make any other place
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(wms_position_create.id, uuidv7());
  v_parent_id uuid := coalesce(wms_position_create.parent_id, wms_position_create.warehouse_id);
  v_row api.wms_positions;
begin
  perform core.require_permission('wms.position.create');
  if coalesce(btrim(code), '') = '' or coalesce(btrim(name), '') = '' then
    perform core.raise_error('wms.position_unnamed');
  elsif kind is null
    or kind not in ('RECEIVING', 'STORAGE', 'PICKING', 'STAGING', 'SHIPPING', 'QUARANTINE', 'UNASSIGNED') then
    perform core.raise_error('wms.position_kind_unknown', jsonb_build_object('kind', kind));
  elsif not exists (
    select
    from core.location as w
    where w.org_id = v_org
      and w.id = wms_position_create.warehouse_id
      and w.kind = 'WAREHOUSE'
  ) then
    perform core.raise_error('wms.not_a_warehouse', jsonb_build_object('field', 'warehouse_id', 'id', warehouse_id));
  elsif v_parent_id <> wms_position_create.warehouse_id and not exists (
    select
    from core.location as p
    inner join core.location as w
      on w.org_id = p.org_id
      and w.id = wms_position_create.warehouse_id
    where p.org_id = v_org
      and p.id = v_parent_id
      and wms.is_position_of(p.kind, p.path, w.path)
  ) then
    perform core.raise_error('wms.parent_elsewhere', jsonb_build_object('parent_id', v_parent_id));
  elsif exists (
    select
    from core.location as p
    where p.org_id = v_org
      and p.parent_id = v_parent_id
      and p.code = btrim(wms_position_create.code)
  ) then
    perform core.raise_error('wms.place_exists', jsonb_build_object('code', btrim(code)));
  end if;

  insert into core.location (org_id, id, parent_id, kind, code, name, zone, capacity, capacity_unit)
  values (
    v_org, v_id, v_parent_id, wms_position_create.kind, btrim(wms_position_create.code), btrim(wms_position_create.name),
    wms_position_create.zone, wms_position_create.capacity, wms_position_create.capacity_unit
  );

  select p.* into v_row from api.wms_positions as p where p.org_id = v_org and p.id = v_id;
  return v_row;
end
$$;

comment on function api.wms_position_create(uuid, text, text, text, uuid, text, numeric, text, uuid) is
  'Make a position in a warehouse
kind is RECEIVING, STORAGE, PICKING, STAGING, SHIPPING, QUARANTINE or UNASSIGNED; parent_id puts it inside another position.
Needs wms.position.create.';

grant execute on function api.wms_position_create(uuid, text, text, text, uuid, text, numeric, text, uuid)
to member, superadmin, migrator;
