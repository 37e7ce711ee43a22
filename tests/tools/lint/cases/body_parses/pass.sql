-- path: functions/core/go.sql
create function core.go()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_is_late boolean := false;
begin
  if v_is_late then
    perform 1;
  end if;
end
$$;
