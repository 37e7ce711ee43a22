-- path: functions/core/empty_table.sql
create function core.empty_table(name text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  execute 'delete from ' || name || ' where true';
end
$$;
