-- path: functions/core/add_up.sql
create function core.add_up()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_sum integer;
begin
  v_sum := 2;
end
$$;
