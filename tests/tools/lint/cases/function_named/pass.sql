-- path: functions/core/item_create.sql
create function api.item_create()
returns integer
language sql
stable
parallel safe
return 1;
create function core.create_item()
returns integer
language sql
stable
parallel safe
return 1;
