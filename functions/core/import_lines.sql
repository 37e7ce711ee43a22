-- Staged rows for read functions that look up what no index holds.

-- In PL/pgSQL, so that the planner expects many rows and joins them by hash with paths, which no index holds.
create or replace function core.import_lines(import_id uuid, first_line integer, last_line integer)
returns setof core.import_row
language plpgsql
stable
parallel safe
rows 10000
as $$
begin
  return query
  select r.*
  from core.import_row as r
  where r.org_id = (select core.org_id())
    and r.import_id = import_lines.import_id
    and r.line between import_lines.first_line and import_lines.last_line
    and r.problems is null;
end
$$;

comment on function core.import_lines(uuid, integer, integer) is
  'The staged rows of a range that are not refused, for read functions that look up what no index holds';

grant execute on function core.import_lines(uuid, integer, integer) to member, superadmin, migrator;
