-- Whether a crate may be put somewhere; the last place of a shelf goes to one of all who want it.

create or replace function records.lock_place(location_id uuid, crate records.crate)
returns core.location
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_place core.location;
  v_unit core.org_unit;
  v_count bigint;
begin
  if location_id is null then
    perform core.raise_error('records.place_missing');
  end if;
  select l.*
  into v_place
  from core.location as l
  where l.org_id = core.org_id()
    and l.id = lock_place.location_id
  for no key update;
  if not found or v_place.kind not in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF') then
    perform core.raise_error('records.place_unknown', jsonb_build_object('id', location_id));
  elsif not v_place.is_active then
    perform core.raise_error('records.place_inactive', jsonb_build_object('place', records.place_name(v_place.id)));
  elsif exists (select from core.location as c where c.org_id = v_place.org_id and c.parent_id = v_place.id) then
    perform core.raise_error('records.place_not_a_leaf', jsonb_build_object('place', records.place_name(v_place.id)));
  end if;

  -- The nearest unit on the way up runs the place; one without belongs to all.
  select u.*
  into v_unit
  from core.location as l
  inner join core.org_unit as u
    on u.org_id = l.org_id
    and u.id = l.unit_id
  where l.org_id = v_place.org_id
    and l.path operator (public.@>) v_place.path
  order by public.nlevel(l.path) desc
  limit 1;
  if found
    and not (v_unit.kind = 'CENTRAL' and crate.is_for_central)
    and not exists (
      select
      from core.org_unit as u
      where u.org_id = crate.org_id
        and u.id = crate.unit_id
        and u.path operator (public.<@) v_unit.path
    )
  then
    perform core.raise_error(
      'records.place_of_another_unit', jsonb_build_object('place', records.place_name(v_place.id), 'unit', v_unit.code)
    );
  end if;

  if v_place.capacity_unit = 'XCR' then
    select count(*)
    into v_count
    from records.custody as c
    where c.org_id = v_place.org_id
      and c.location_id = v_place.id
      and upper_inf(c.during)
      and c.crate_id <> crate.id;
    if v_count >= v_place.capacity then
      perform core.raise_error(
        'records.place_full',
        jsonb_build_object('place', records.place_name(v_place.id), 'capacity', trim_scale(v_place.capacity), 'crates', v_count)
      );
    end if;
  end if;
  return v_place;
end
$$;

comment on function records.lock_place(uuid, records.crate) is
  'Locks a place until the transaction ends and returns it, if the crate may be put there. Raises records.place_missing, '
  'place_unknown, place_inactive, place_not_a_leaf, place_of_another_unit, place_full (422). The caller holds the crate.';

create or replace function records.place_name(location_id uuid)
returns text
language sql
stable
parallel safe
begin atomic
  select string_agg(a.code, '/' order by public.nlevel(a.path))
  from core.location as l
  inner join core.location as a
    on a.org_id = l.org_id
    and a.path operator (public.@>) l.path
  where l.org_id = (select core.org_id())
    and l.id = place_name.location_id;
end;

comment on function records.place_name(uuid) is 'Codes of the places from the root down to this one, joined by /';

grant execute on function records.place_name(uuid) to member, superadmin, migrator;

create or replace function records.unit_name(unit_id uuid)
returns text
language sql
stable
parallel safe
begin atomic
  select string_agg(a.code, '/' order by public.nlevel(a.path))
  from core.org_unit as u
  inner join core.org_unit as a
    on a.org_id = u.org_id
    and a.path operator (public.@>) u.path
  where u.org_id = (select core.org_id())
    and u.id = unit_name.unit_id;
end;

comment on function records.unit_name(uuid) is 'Codes of the units from the root down to this one, joined by /';

grant execute on function records.unit_name(uuid) to member, superadmin, migrator;
