-- path: functions/core/find_item.sql
create function core.find_item(id uuid)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform from core.item as i where i.id = find_item.id;
end
$$;
