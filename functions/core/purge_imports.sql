-- Removes what importing leaves behind.

create or replace function core.purge_imports()
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_rows bigint;
begin
  -- The id of an import carries the time at which it began.
  delete from core.import_row as r where r.import_id < core.uuid_floor(now() - interval '1 day');
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;

comment on function core.purge_imports() is
  'Delete the staged rows of imports that began more than a day ago; what became of each file stays in core.import. Returns '
  'how many rows. To be run daily.';

grant execute on function core.purge_imports() to worker, migrator;
