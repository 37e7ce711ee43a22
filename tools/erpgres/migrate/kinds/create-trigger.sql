-- kind: a trigger and its function: the file in functions/ that makes both, each time it changes
-- set: task, when=before insert or update
-- file: functions/{domain}/tg_{name}__{task}.sql
-- ---
-- {what}

create or replace function {schema}.tg_{name}__{task}()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  return new;
end
$$;

comment on function {schema}.tg_{name}__{task}() is {what!r};

create or replace trigger {task} {when} on {table}
for each row execute function {schema}.tg_{name}__{task}();
