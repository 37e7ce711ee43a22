-- kind: move columns into a table of their own: kept equal by a trigger, and a back-fill; then the views change
-- set: new, columns, types, meaning, key=org_id; id, key_types=uuid; uuid
-- file: migration
-- ---
-- domain: {domain}
-- why: {what}
-- locks: {table}, share row exclusive for an instant (a trigger); the rows are copied in batches by a back-fill
-- breaking: no
-- apply: ahead

create table {schema}.{new} (
  {key_definition},
  {definition},
  constraint {new}_pkey primary key ({key})
);

comment on table {schema}.{new} is {meaning!r};

-- lint: allow right_tree: it lives from this migration to the contract that drops it
-- Definer: who writes the old table need not have a right on the new one.
create function {schema}.tg_{name}__sync_{new}()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into {schema}.{new} ({key}, {columns})
  values ({new_key}, {new_columns})
  on conflict ({key}) do update set {excluded};
  return null;
end
$$;

comment on function {schema}.tg_{name}__sync_{new}() is
  'AFTER INSERT OR UPDATE: keeps the row of {new} equal to the columns that it takes over';

insert into ops.backfill (name, table_name, statement, remaining)
values (
  '{name}_{new}',
  '{table}',
  'insert into {schema}.{new} ({key}, {columns})
   select {t_key}, {t_columns} from {table} as t where {{batch}}
   on conflict do nothing',
  'select from {table} as t where not exists (select from {schema}.{new} as n where {same_key})'
);

-- What locks the old table comes last, so that its writers wait for nothing else.
alter table {schema}.{new} add constraint {new}_of_{name}
foreign key ({key}) references {table} ({key}) on delete cascade;

-- lint: allow right_tree: as its function
create trigger sync_{new} after insert or update of {columns} on {table}
for each row execute function {schema}.tg_{name}__sync_{new}();
