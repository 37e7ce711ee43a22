-- path: functions/core/add_up.sql
create function core.add_up()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  total integer;
  v_sum integer;
  v_left_over integer;
begin
  total := 1;
  v_sum := 2;
end
$$;
