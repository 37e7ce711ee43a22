-- path: functions/core/try_it.sql
create function core.try_it()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  for v_n in 1..10 loop
    begin
      perform 1;
    exception
      when unique_violation then
        null;
    end;
  end loop;
end
$$;
