-- path: functions/core/reset_all.sql
create function core.reset_all()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  update core.item set note = null;
end
$$;
