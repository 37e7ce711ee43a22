-- A room, rack, compartment or shelf.

create or replace function api.records_place_create(
  code text,
  name text,
  kind text,
  parent_id uuid default null,
  unit_id uuid default null,
  capacity_crates integer default null,
  id uuid default null
)
returns api.records_places
language plpgsql
volatile
parallel unsafe
-- definer: requests, crates and custody are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_id uuid := coalesce(records_place_create.id, uuidv7());
  v_unit_id uuid;
  v_parent text;
  v_row api.records_places;
begin
  -- The unit is that of the nearest place above that has one.
  v_unit_id := coalesce(
    records_place_create.unit_id,
    (
      select a.unit_id
      from core.location as p
      inner join core.location as a
        on a.org_id = p.org_id
        and a.path operator (public.@>) p.path
      where p.org_id = v_org
        and p.id = records_place_create.parent_id
        and a.unit_id is not null
      order by public.nlevel(a.path) desc
      limit 1
    )
  );
  perform core.require_permission('records.place.create', v_unit_id);
  if coalesce(btrim(code), '') = '' or coalesce(btrim(name), '') = '' then
    perform core.raise_error('records.place_unnamed');
  elsif kind is null or kind not in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF') then
    perform core.raise_error('records.place_kind_unknown', jsonb_build_object('kind', kind));
  elsif capacity_crates <= 0 then
    perform core.raise_error('records.capacity_not_positive');
  end if;
  v_parent := (
    select p.kind from core.location as p where p.org_id = v_org and p.id = records_place_create.parent_id
  );
  if parent_id is not null and v_parent is null then
    perform core.raise_error('records.place_unknown', jsonb_build_object('id', parent_id));
  elsif not (
    kind = 'ROOM' and coalesce(v_parent, 'SITE') in ('SITE', 'WAREHOUSE')
    or kind = 'RACK' and v_parent = 'ROOM'
    or kind = 'COMPARTMENT' and v_parent = 'RACK'
    or kind = 'SHELF' and v_parent = 'COMPARTMENT'
  ) then
    perform core.raise_error(
      'records.place_does_not_fit', jsonb_build_object('kind', kind, 'parent', coalesce(v_parent, 'nothing'))
    );
  elsif exists (
    select
    from core.location as p
    where p.org_id = v_org
      and p.parent_id is not distinct from records_place_create.parent_id
      and p.code = btrim(records_place_create.code)
  ) then
    perform core.raise_error('records.place_exists', jsonb_build_object('code', btrim(code)));
  end if;

  insert into core.location (org_id, id, parent_id, kind, code, name, unit_id, capacity, capacity_unit)
  values (
    v_org, v_id, records_place_create.parent_id, records_place_create.kind, btrim(records_place_create.code),
    btrim(records_place_create.name), records_place_create.unit_id, records_place_create.capacity_crates,
    case when records_place_create.capacity_crates is not null then 'XCR' end
  );
  select v.* into v_row from api.records_places as v where v.org_id = v_org and v.id = v_id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('records.busy');
end
$$;

comment on function api.records_place_create(text, text, text, uuid, uuid, integer, uuid) is
  'Make a place for crates
kind is ROOM (in a site or warehouse, or by itself), RACK (in a room), COMPARTMENT (in a rack) or SHELF (in a compartment);
crates lie in places that have no place below them. unit_id: the unit that it belongs to, else that of the place above; none:
for all units. Needs records.place.create in that unit.';

grant execute on function api.records_place_create(text, text, text, uuid, uuid, integer, uuid) to member, superadmin, migrator;
