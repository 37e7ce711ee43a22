-- path: functions/core/count_items.sql
create function core.count_items()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_row core.item;
begin
  with old as (select id from core.item)
  select o.id into v_row from old as o limit 1;
end
$$;
