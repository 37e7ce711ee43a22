-- Triggers on places for the sake of crates: a place that holds crates stays good for them.

create or replace function records.tg_location__keep_crates()
returns trigger
language plpgsql
volatile
parallel unsafe
-- definer: who keeps places need not see the crates in them
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_place uuid := case when tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id then new.parent_id else new.id end;
  v_count bigint;
begin
  -- Whoever puts a crate there holds the place.
  perform from core.location as l where l.org_id = new.org_id and l.id = v_place for no key update;
  select count(*)
  into v_count
  from records.custody as c
  where c.org_id = new.org_id
    and c.location_id = v_place
    and upper_inf(c.during);
  if v_count > 0 and (v_place = new.parent_id or not new.is_active) then
    perform core.raise_error('records.place_holds_crates', jsonb_build_object('crates', v_count));
  elsif new.capacity_unit = 'XCR' and v_place = new.id and v_count > new.capacity then
    perform core.raise_error('records.capacity_too_small', jsonb_build_object('crates', v_count, 'capacity', new.capacity));
  end if;
  return new;
end
$$;

comment on function records.tg_location__keep_crates() is
  'Refuses to make a place with crates inactive (409), to put another place into it (409), and to say that it takes fewer '
  'crates than lie in it (422).';

create or replace trigger keep_crates_insert
before insert on core.location
for each row
when (new.parent_id is not null and new.kind in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF'))
execute function records.tg_location__keep_crates();

create or replace trigger keep_crates_update
before update of parent_id, is_active, capacity, capacity_unit on core.location
for each row
when (
  new.kind in ('ROOM', 'RACK', 'COMPARTMENT', 'SHELF')
  and (
    old.parent_id is distinct from new.parent_id
    or old.is_active and not new.is_active
    or old.capacity is distinct from new.capacity
    or old.capacity_unit is distinct from new.capacity_unit
  )
)
execute function records.tg_location__keep_crates();

create or replace function records.tg_location__keep_unit()
returns trigger
language plpgsql
volatile
parallel unsafe
-- definer: who keeps places need not see the crates in them
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(current_setting('erpgres.org_id', true), '');
  v_path public.ltree;
  v_count bigint;
begin
  -- The tools change places of any organisation.
  perform set_config('erpgres.org_id', new.org_id::text, true);
  select l.path into v_path from core.location as l where l.org_id = new.org_id and l.id = new.id;
  -- Whoever puts a crate there holds the place.
  perform
  from core.location as l
  where l.org_id = new.org_id
    and l.path operator (public.<@) v_path
  order by l.id
  for no key update;
  select count(*)
  into v_count
  from core.location as l
  inner join records.custody as c
    on c.org_id = l.org_id
    and c.location_id = l.id
    and upper_inf(c.during)
  inner join records.crate as k
    on k.org_id = c.org_id
    and k.id = c.crate_id
  inner join core.org_unit as o
    on o.org_id = k.org_id
    and o.id = k.unit_id
  -- The nearest unit on the way up runs the place; one without belongs to all.
  cross join lateral (
    select u.kind, u.path
    from core.location as a
    inner join core.org_unit as u
      on u.org_id = a.org_id
      and u.id = a.unit_id
    where a.org_id = l.org_id
      and a.path operator (public.@>) l.path
    order by public.nlevel(a.path) desc
    limit 1
  ) as n
  where l.org_id = new.org_id
    and l.path operator (public.<@) v_path
    and not (n.kind = 'CENTRAL' and k.is_for_central)
    and not o.path operator (public.<@) n.path;
  perform set_config('erpgres.org_id', v_before, true);
  if v_count > 0 then
    perform core.raise_error('records.place_holds_crates', jsonb_build_object('crates', v_count));
  end if;
  return null;
end
$$;

comment on function records.tg_location__keep_unit() is
  'Refuses to move a place, or to give it to a unit, when crates lie in it or below that may not lie with that unit (409).';

-- After move_descendants, in the order of their names: what lies below has its new path.
create or replace trigger records_keep_unit
after update of parent_id, unit_id on core.location
for each row
when (
  new.kind in ('SITE', 'WAREHOUSE', 'ROOM', 'RACK', 'COMPARTMENT', 'SHELF')
  and (old.parent_id is distinct from new.parent_id or old.unit_id is distinct from new.unit_id)
)
execute function records.tg_location__keep_unit();
