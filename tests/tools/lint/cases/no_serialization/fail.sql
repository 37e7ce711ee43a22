-- path: functions/core/fail.sql
create function core.fail()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  set transaction isolation level repeatable read;
  raise sqlstate '40001';
end
$$;
