-- Whether goods may lie, and fit, where a document puts them.

create or replace function wms.required_zones(org_id uuid, warehouse_id uuid, item_id uuid, item_class text)
returns text[]
language sql
stable
parallel safe
return (
  select array_agg(distinct r.zone order by r.zone)
  from wms.put_away_rule as r
  where r.org_id = required_zones.org_id
    and r.is_required
    and coalesce(r.warehouse_id, required_zones.warehouse_id) = required_zones.warehouse_id
    and coalesce(r.item_id, required_zones.item_id) = required_zones.item_id
    and coalesce(r.item_class, required_zones.item_class) = required_zones.item_class
);

comment on function wms.required_zones(uuid, uuid, uuid, text) is
  'Zones of a warehouse whose shelves are the only ones for an item (put-away rules that are required); null: any';

create or replace function wms.is_in_required_zone(zone text, org_id uuid, warehouse_id uuid, item_id uuid, item_class text)
returns boolean
language sql
stable
parallel safe
return (
  select z.zones is null or coalesce(is_in_required_zone.zone = any (z.zones), false)
  from wms.required_zones(
    is_in_required_zone.org_id, is_in_required_zone.warehouse_id, is_in_required_zone.item_id, is_in_required_zone.item_class
  ) as z (zones)
);

comment on function wms.is_in_required_zone(text, uuid, uuid, uuid, text) is
  'Whether an item may lie on a shelf of the zone: of all others, if a put-away rule is required';

create or replace function wms.check_room(movements wms.movement[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_place record;
begin
  if (core.setting('wms.is_capacity_checked') #>> '{}') = 'false' then
    return;
  end if;
  -- One place after the other, in the order of their ids; what another line takes from there leaves only afterwards.
  for v_place in
    select
      m.to_location_id,
      array_agg(m.item_id order by m.item_id) as items,
      array_agg(m.quantity order by m.item_id) as quantities
    from unnest(movements) as m
    where m.needs_room
    group by m.to_location_id
    order by m.to_location_id
  loop
    perform wms.require_capacity(v_place.to_location_id, v_place.items, v_place.quantities);
  end loop;
end
$$;

comment on function wms.check_room(wms.movement[]) is
  'Locks the positions with a limit that movements of a document reach (needs_room), and raises wms.capacity_exceeded (422) '
  'unless all of it fits in, if the organisation has it checked (wms.is_capacity_checked).';
