-- path: functions/core/answer.sql
-- Definer: nobody may read the answers.
create function core.answer()
returns integer
language sql
stable
security definer
return 1;
