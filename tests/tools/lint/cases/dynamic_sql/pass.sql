-- path: functions/core/empty_table.sql
create function core.empty_table(name text)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  execute format('delete from core.%I where true', name);
end
$$;
