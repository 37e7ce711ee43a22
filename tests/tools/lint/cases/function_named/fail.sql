-- path: functions/core/create_item.sql
create function api.create_item()
returns integer
language sql
stable
parallel safe
return 1;
