-- kind: change a column's type: a new column beside it, kept equal by a trigger, and a back-fill; then the views change
-- set: column, new, type, forth, back
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, access exclusive for an instant (a column without a default, a trigger); the rows are written in
-- batches by a back-fill
-- breaking: no
-- apply: ahead

alter table {table} add column {new} {type};

comment on column {table}.{new} is 'Takes the place of {column}; the trigger sync_{new} keeps both equal';

-- lint: allow right_tree: it lives from this migration to the contract that drops it
create function {schema}.tg_{name}__sync_{new}()
returns trigger
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- Old code writes the old column, new code the new one. Whoever reads a row reads both.
  if tg_op = 'UPDATE' then
    if new.{new} is distinct from old.{new} and new.{column} is not distinct from old.{column} then
      new.{column} := {back};
    else
      new.{new} := {forth};
    end if;
  elsif new.{new} is not null and new.{column} is null then
    new.{column} := {back};
  else
    new.{new} := {forth};
  end if;
  return new;
end
$$;

comment on function {schema}.tg_{name}__sync_{new}() is
  'BEFORE INSERT OR UPDATE: keeps {column} and {new} of a row equal while both are used';

-- lint: allow right_tree: as its function
create trigger sync_{new} before insert or update on {table}
for each row execute function {schema}.tg_{name}__sync_{new}();

insert into ops.backfill (name, table_name, statement, remaining)
values (
  '{name}_{new}',
  '{table}',
  'update {table} as t set {column} = t.{column} where {{batch}} and t.{column} is not null and t.{new} is null',
  'select from {table} as t where t.{column} is not null and t.{new} is null'
);
