-- Statement triggers of a partitioned table, for its partitions.

-- PostgreSQL clones row triggers to partitions, statement triggers not: a TRUNCATE of one partition would pass by the rule
-- of the table.
create or replace function ops.copy_statement_triggers(parent regclass, child regclass)
returns void
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_definition text;
begin
  for v_definition in
    select pg_get_triggerdef(t.oid)
    from pg_trigger as t
    where t.tgrelid = copy_statement_triggers.parent
      and not t.tgisinternal
      and t.tgtype & 1 = 0
      and not exists (
        select from pg_trigger as c where c.tgrelid = copy_statement_triggers.child and c.tgname = t.tgname
      )
    order by t.tgname
  loop
    execute regexp_replace(v_definition, ' ON \S+ ', format(' ON %s ', copy_statement_triggers.child));
  end loop;
end
$$;

comment on function ops.copy_statement_triggers(regclass, regclass) is
  'Give a partition the statement triggers of its table that it lacks.';
