-- Staged rows of places and organisation units, which lie in one another.

create or replace function core.location_paths()
returns table (id uuid, path text)
language sql
stable
parallel safe
begin atomic
  with recursive tree as (
    select l.id, l.code as path
    from core.location as l
    where l.org_id = (select core.org_id()) and l.parent_id is null
    union all
    select l.id, t.path || '/' || l.code
    from core.location as l
    join tree as t on t.id = l.parent_id
    where l.org_id = (select core.org_id())
  )
  select t.id, t.path
  from tree as t;
end;

comment on function core.location_paths() is 'The places of the organisation by their codes from the root down, joined by /';

grant execute on function core.location_paths() to member, superadmin, migrator;

create or replace function core.org_unit_paths()
returns table (id uuid, path text)
language sql
stable
parallel safe
begin atomic
  with recursive tree as (
    select u.id, u.code as path
    from core.org_unit as u
    where u.org_id = (select core.org_id()) and u.parent_id is null
    union all
    select u.id, t.path || '/' || u.code
    from core.org_unit as u
    join tree as t on t.id = u.parent_id
    where u.org_id = (select core.org_id())
  )
  select t.id, t.path
  from tree as t;
end;

comment on function core.org_unit_paths() is 'The units of the organisation by their codes from the root down, joined by /';

grant execute on function core.org_unit_paths() to member, superadmin, migrator;

create or replace function core.import_org_units(import_id uuid, first_line integer, last_line integer)
returns table (line integer, match_id uuid, problems jsonb, parent_id uuid, code text, kind text, name text)
language sql
stable
parallel safe
begin atomic
  with staged as (
    select concat_ws('/', r.data ->> 'parent', r.data ->> 'code') as path
    from core.import_lines(import_org_units.import_id, 1, 2147483647) as r
  ),
  known as materialized (
    select p.id, p.path
    from core.org_unit_paths() as p
  )
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when r.data ->> 'parent' is not null and p.id is null and s.path is null
          then core.import_problem('parent', 'core.import_reference', r.data ->> 'parent', '{"entity": "unit"}')
      end
    ),
    p.id,
    r.data ->> 'code',
    r.data ->> 'kind',
    r.data ->> 'name'
  from core.import_lines(import_org_units.import_id, import_org_units.first_line, import_org_units.last_line) as r
  left join known as p on p.path = r.data ->> 'parent'
  left join staged as s on s.path = r.data ->> 'parent'
  left join known as m on m.path = concat_ws('/', r.data ->> 'parent', r.data ->> 'code');
end;

comment on function core.import_org_units(uuid, integer, integer) is
  'Staged rows as rows of core.org_unit, by path and code; parents may stand in the same file';

grant execute on function core.import_org_units(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_locations(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  parent_id uuid,
  code text,
  kind text,
  name text,
  unit_id uuid,
  capacity numeric,
  capacity_unit text,
  zone text,
  time_zone text,
  latitude numeric,
  longitude numeric
)
language sql
stable
parallel safe
begin atomic
  with staged as (
    select concat_ws('/', r.data ->> 'parent', r.data ->> 'code') as path
    from core.import_lines(import_locations.import_id, 1, 2147483647) as r
  ),
  known as materialized (
    select p.id, p.path
    from core.location_paths() as p
  ),
  units as materialized (
    select u.id, u.path
    from core.org_unit_paths() as u
  )
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when r.data ->> 'parent' is not null and p.id is null and s.path is null
          then core.import_problem('parent', 'core.import_reference', r.data ->> 'parent', '{"entity": "place"}')
      end,
      case
        when r.data ->> 'unit' is not null and u.id is null
          then core.import_problem('unit', 'core.import_reference', r.data ->> 'unit', '{"entity": "unit"}')
      end,
      case
        when r.data ->> 'capacity_unit' is not null and c.code is null then core.import_problem(
          'capacity_unit', 'core.import_reference', r.data ->> 'capacity_unit', '{"entity": "unit"}'
        )
      end,
      case
        when (r.data ->> 'capacity')::numeric <= 0
          then core.import_problem('capacity', 'core.import_not_positive', r.data ->> 'capacity')
      end
    ),
    p.id,
    r.data ->> 'code',
    r.data ->> 'kind',
    r.data ->> 'name',
    u.id,
    round((r.data ->> 'capacity')::numeric, 6),
    r.data ->> 'capacity_unit',
    r.data ->> 'zone',
    r.data ->> 'time_zone',
    round((r.data ->> 'latitude')::numeric, 6),
    round((r.data ->> 'longitude')::numeric, 6)
  from core.import_lines(import_locations.import_id, import_locations.first_line, import_locations.last_line) as r
  left join known as p on p.path = r.data ->> 'parent'
  left join staged as s on s.path = r.data ->> 'parent'
  left join known as m on m.path = concat_ws('/', r.data ->> 'parent', r.data ->> 'code')
  left join units as u on u.path = r.data ->> 'unit'
  left join core.unit as c on c.code = r.data ->> 'capacity_unit';
end;

comment on function core.import_locations(uuid, integer, integer) is
  'Staged rows as rows of core.location, by path and code; parents may stand in the same file';

grant execute on function core.import_locations(uuid, integer, integer) to member, superadmin, migrator;
