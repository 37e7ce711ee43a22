-- path: functions/core/rate.sql
create function core.rate()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_rate float8;
begin
  v_rate := (select 1::double precision / 3);
end
$$;
