-- path: functions/core/answer.sql
create function core.answer()
returns integer
language sql
stable
parallel safe
return 1;
