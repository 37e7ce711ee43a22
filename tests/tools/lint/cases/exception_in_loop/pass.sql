-- path: functions/core/try_it.sql
create function core.try_it()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  begin
    for v_n in 1..10 loop
      perform 1;
    end loop;
  exception
    when unique_violation then
      null;
  end;
end
$$;
