-- path: functions/core/item_make.sql
create function api.item_make()
returns integer
language sql
stable
parallel safe
return 1;
create function api.item_break()
returns integer
language sql
stable
parallel safe
return 1;
