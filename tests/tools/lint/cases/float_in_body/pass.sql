-- path: functions/core/rate.sql
create function core.rate()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_rate numeric;
begin
  v_rate := (select 1::numeric / 3);
end
$$;
