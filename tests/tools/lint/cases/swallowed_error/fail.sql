-- path: functions/core/try_it.sql
create function core.try_it()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform 1;
exception
  when others then
    null;
end
$$;
