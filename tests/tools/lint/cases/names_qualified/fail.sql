-- path: functions/core/count_items.sql
create function core.count_items()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_row item;
begin
  v_row.id := (select id from item limit 1);
end
$$;
