-- path: functions/core/refuse.sql
create function core.refuse()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  raise exception 'no such item';
end
$$;
