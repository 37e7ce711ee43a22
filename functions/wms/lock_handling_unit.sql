-- The first step of everything that is done to a handling unit.

create or replace function wms.lock_handling_unit(id uuid, version integer default null)
returns wms.handling_unit
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_unit wms.handling_unit;
begin
  perform wms.lock_handling_units(array[lock_handling_unit.id]);
  select u.*
  into v_unit
  from wms.handling_unit as u
  where u.org_id = core.org_id()
    and u.id = lock_handling_unit.id
  for no key update;
  if not found then
    perform core.raise_error('wms.handling_unit_not_found', jsonb_build_object('id', lock_handling_unit.id));
  end if;
  perform core.check_version('handling_unit', lock_handling_unit.version, v_unit.version);
  if v_unit.status <> 'OPEN' then
    perform core.raise_error('wms.handling_unit_status', jsonb_build_object('sscc', v_unit.sscc, 'status', v_unit.status));
  end if;
  return v_unit;
end
$$;

comment on function wms.lock_handling_unit(uuid, integer) is
  'Locks a handling unit, with what it lies in and what lies in it, until the transaction ends. Raises '
  'wms.handling_unit_not_found (404), wms.handling_unit_status (409: not OPEN), core.stale_version (412).';

create or replace function wms.outermost(id uuid)
returns uuid
language sql
stable
parallel safe
begin atomic
  with recursive up as (
    select u.id, u.parent_id
    from wms.handling_unit as u
    where u.org_id = core.org_id()
      and u.id = outermost.id
    union all
    select p.id, p.parent_id
    from up
    inner join wms.handling_unit as p
      on p.org_id = core.org_id()
      and p.id = up.parent_id
  )
  select up.id
  from up
  where up.parent_id is null;
end;

comment on function wms.outermost(uuid) is 'The handling unit that stands by itself and has this one in it; itself if none has.';

create or replace function wms.lock_handling_units(ids uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_outermost uuid[] := array(
    select distinct wms.outermost(i) as root from unnest(lock_handling_units.ids) as i order by root
  );
begin
  -- The outermost stands for all that is in it: one lock for the family, several in the order of their ids.
  perform
  from wms.handling_unit as u
  where u.org_id = core.org_id()
    and u.id = any (v_outermost)
  order by u.id
  for no key update;
  if v_outermost <> array(
    select distinct wms.outermost(i) as root from unnest(lock_handling_units.ids) as i order by root
  ) then
    perform core.raise_error('wms.busy'); -- nested or taken out meanwhile
  end if;
end
$$;

comment on function wms.lock_handling_units(uuid[]) is
  'Locks the outermost units of these, which stand for all that is in them. Raises wms.busy (503).';

create or replace function wms.handling_unit_family(id uuid)
returns setof uuid
language sql
stable
parallel safe
begin atomic
  with recursive down as (
    select handling_unit_family.id
    union all
    select u.id
    from down
    inner join wms.handling_unit as u
      on u.org_id = core.org_id()
      and u.parent_id = down.id
  )
  select down.id
  from down;
end;

comment on function wms.handling_unit_family(uuid) is 'A handling unit and all that lie in it, at whatever depth.';

create or replace function wms.change_packed(
  warehouse_id uuid,
  position_id uuid,
  items uuid[],
  lots uuid[],
  quantities numeric[]
)
returns void
language sql
volatile
parallel unsafe
begin atomic
  update wms.balance as b
  set packed = b.packed + k.quantity
  from unnest(change_packed.items, change_packed.lots, change_packed.quantities) as k (item_id, lot_id, quantity)
  where b.org_id = core.org_id()
    and b.item_id = k.item_id
    and b.location_id = change_packed.position_id
    and b.warehouse_id = change_packed.warehouse_id
    and b.lot_id is not distinct from k.lot_id;
end;

comment on function wms.change_packed(uuid, uuid, uuid[], uuid[], numeric[]) is
  'Adds to what is packed of balances at a position, or takes from it; the caller holds them.';
