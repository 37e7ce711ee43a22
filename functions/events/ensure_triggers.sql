-- Makes the triggers that record changes, from the registry.

create or replace function events.ensure_triggers()
returns setof text
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entity record;
  v_event record;
  v_source text;
  v_gone record;
begin
  for v_entity in
    select
      e.entity,
      e.table_name::regclass as tab,
      format('tg_%s__record', e.entity) as function_name
    from core.event_entity as e
    where e.table_name is not null
    order by e.entity
  loop
    v_source := events.trigger_source(v_entity.entity);
    if not exists (
      select
      from pg_proc as p
      where p.pronamespace = 'events'::regnamespace and p.proname = v_entity.function_name and p.prosrc = v_source
    ) then
      -- Definer: nobody else may write events.
      execute format(
        'create or replace function events.%I() returns trigger language plpgsql volatile parallel unsafe '
        'security definer set search_path = pg_catalog, pg_temp as %L',
        v_entity.function_name, v_source
      );
      execute format(
        'comment on function events.%I() is %L', v_entity.function_name,
        format('Records the changes of %s as events; made by events.ensure_triggers.', v_entity.tab)
      );
      return next v_entity.function_name;
    end if;
    for v_event in
      select *
      from (
        values
          ('insert', 'referencing new table as new_rows'),
          ('update', 'referencing old table as old_rows new table as new_rows'),
          ('delete', 'referencing old table as old_rows')
      ) as v (operation, tables)
    loop
      if not exists (
        select from pg_trigger as t where t.tgrelid = v_entity.tab and t.tgname = 'emit_' || v_event.operation
      ) then
        execute format(
          'create trigger %I after %s on %s %s for each statement execute function events.%I()',
          'emit_' || v_event.operation, v_event.operation, v_entity.tab, v_event.tables, v_entity.function_name
        );
      end if;
    end loop;
    -- Nobody has a right on partitions; but who has all rights writes into one directly.
    perform ops.copy_statement_triggers(i.inhparent, i.inhrelid)
    from pg_inherits as i
    where i.inhparent = v_entity.tab;
  end loop;

  -- What the registry no longer names goes, with its triggers on tables and partitions.
  for v_gone in
    select p.oid::regprocedure as function, p.proname::text as name
    from pg_proc as p
    where p.pronamespace = 'events'::regnamespace
      and p.proname ~ '^tg_.*__record$'
      and not exists (
        select
        from core.event_entity as e
        where e.table_name is not null and p.proname = format('tg_%s__record', e.entity)
      )
  loop
    for v_event in
      select t.tgname, t.tgrelid::regclass as tab from pg_trigger as t where t.tgfoid = v_gone.function::oid
    loop
      execute format('drop trigger %I on %s', v_event.tgname, v_event.tab);
    end loop;
    execute format('drop function %s', v_gone.function);
    return next v_gone.name;
  end loop;
end
$$;

comment on function events.ensure_triggers() is
  'Make the trigger functions and triggers that core.event_entity asks for, and drop those it no longer names; returns the '
  'names of functions made, changed or dropped. Run by each migration; safe to run at any time.';
