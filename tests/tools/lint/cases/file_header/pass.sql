-- path: functions/core/do_this.sql
-- Does this.

create function core.do_this()
returns integer
language sql
stable
parallel safe
return 1;
