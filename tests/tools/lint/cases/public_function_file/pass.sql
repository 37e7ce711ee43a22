-- path: functions/core/item_disable.sql
create function api.item_disable()
returns integer
language sql
stable
parallel safe
return 1;
create function api.item_enable()
returns integer
language sql
stable
parallel safe
return 1;
create function core.item_rate()
returns integer
language sql
stable
parallel safe
return 1;
