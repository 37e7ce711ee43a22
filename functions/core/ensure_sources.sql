-- Finds out from the catalog what each view of the API depends on, and makes the triggers that note changes of it.

create or replace function core.api_objects(
  roles regrole[] default '{member,partner}',
  into_functions boolean default true
)
returns table (view_name text, classid oid, objid oid)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with recursive reached as (
    select c.relname::text as view_name, c.tableoid as classid, c.oid as objid
    from pg_class as c
    where c.relnamespace = 'api'::regnamespace and c.relkind in ('v', 'm')
    union
    select r.view_name, e.refclassid, e.refobjid
    from reached as r
    cross join lateral (
      -- what a view is made of
      select d.refclassid, d.refobjid
      from pg_rewrite as w
      join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
      where r.classid = 'pg_class'::regclass and w.ev_class = r.objid
      union all
      -- what decides which rows of a table a client sees
      select d.refclassid, d.refobjid
      from pg_policy as p
      join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
      where r.classid = 'pg_class'::regclass
        and p.polrelid = r.objid
        and p.polcmd in ('r', '*')
        and p.polroles && (api_objects.roles::oid[] || 0::oid)
      union all
      -- columns that are computed
      select d.refclassid, d.refobjid
      from pg_attrdef as a
      join pg_depend as d on d.classid = 'pg_attrdef'::regclass and d.objid = a.oid
      join pg_attribute as t on t.attrelid = a.adrelid and t.attnum = a.adnum and t.attgenerated <> ''
      where r.classid = 'pg_class'::regclass and a.adrelid = r.objid
      union all
      -- what a function reads whose body the catalog has as a tree
      select d.refclassid, d.refobjid
      from pg_depend as d
      where api_objects.into_functions and r.classid = 'pg_proc'::regclass and d.classid = r.classid and d.objid = r.objid
      union all
      -- and of others what core.data_function says
      select 'pg_class'::regclass, to_regclass(s.source)
      from pg_proc as p
      join core.data_function as f on f.function_name = p.pronamespace::regnamespace || '.' || p.proname
      cross join unnest(f.reads) as s (source)
      where api_objects.into_functions
        and r.classid = 'pg_proc'::regclass
        and p.oid = r.objid
        and to_regclass(s.source) is not null
    ) as e
    where e.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
  )
  select r.view_name, r.classid, r.objid from reached as r;
$$;

comment on function core.api_objects(regrole[], boolean) is
  'The relations and functions that the answer to a request of one of the roles for each view of the API depends on: its '
  'definition, the policies of the tables behind it, and, into_functions, what functions among them read';

grant execute on function core.api_objects(regrole[], boolean) to relay, migrator;

-- What a view of the API depends on, of the kinds that decide about its tag.
create or replace function core.api_dependencies()
returns table (view_name text, kind text, name text)
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  with objects as materialized (
    select o.view_name, o.classid, o.objid from core.api_objects() as o
  ),
  relations as (
    select o.view_name, c.oid, c.relkind, c.relnamespace::regnamespace || '.' || c.relname as name
    from objects as o
    join pg_class as c on c.oid = o.objid
    where o.classid = 'pg_class'::regclass
  ),
  functions as (
    select
      o.view_name,
      p.oid,
      p.pronamespace::regnamespace || '.' || p.proname as name,
      f.reads,
      f.time_dependence,
      p.prosqlbody is not null as is_tree,
      p.provolatile,
      case when f.function_name is null then coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) end as body
    from objects as o
    join pg_proc as p on p.oid = o.objid
    left join core.data_function as f on f.function_name = p.pronamespace::regnamespace || '.' || p.proname
    where o.classid = 'pg_proc'::regclass
      and not exists (
        select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
      )
  ),
  texts as (
    select r.view_name, pg_get_viewdef(r.oid) as body from relations as r where r.relkind in ('v', 'm')
    union all
    select r.view_name, pg_get_expr(p.polqual, p.polrelid)
    from relations as r
    join pg_policy as p on p.polrelid = r.oid
    where p.polcmd in ('r', '*')
      and p.polroles && array['member'::regrole::oid, 'partner'::regrole::oid, 0::oid]
    union all
    select f.view_name, f.body from functions as f where f.body is not null
  )
  select
    r.view_name,
    case when s.is_untagged or r.relkind = 'm' then 'untagged' else 'source' end,
    coalesce(c.source, r.name)
  from relations as r
  left join core.data_source as s on s.table_name = r.name
  left join lateral unnest(nullif(s.covered_by, '{}')) as c (source) on true
  where r.relkind in ('r', 'p', 'm', 'f')
  union
  select f.view_name, 'source', n.source
  from functions as f
  cross join unnest(f.reads) as n (source)
  where to_regclass(n.source) is null
  union
  select f.view_name, 'unknown', f.name
  from functions as f
  where f.reads is null and not f.is_tree and f.provolatile <> 'i'
  union
  select f.view_name, f.time_dependence, f.name
  from functions as f
  where f.time_dependence in ('day', 'moment')
  union
  select t.view_name, 'moment', 'its definition'
  from texts as t
  where t.body ~* (
    '\m(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|uuidv[47]|gen_random_uuid)\s*\(|'
    '\m(current_date|current_time|current_timestamp|localtime|localtimestamp)\M'
  );
$$;

comment on function core.api_dependencies() is
  'What the tag of a view of the API must cover, by kind: source (of core.data_change), day and moment (it depends on the time '
  'by this function), unknown (a function of which nobody has said what it reads), untagged (a table whose changes '
  'are not noted)';

grant execute on function core.api_dependencies() to migrator;

create or replace function core.ensure_sources()
returns setof text
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_table record;
  v_trigger record;
  v_gone record;
  -- What is to be done to tables, and what is told of it: done at the end, since their writers wait from then on.
  v_changes text[] := '{}';
  v_told text[] := '{}';
  v_partitioned oid[] := '{}';
begin
  -- Triggers for what the registry of events does not know; its tables note changes where they record them.
  for v_table in
    select
      c.oid::regclass as tab,
      c.relkind = 'p' as is_partitioned,
      e.table_name is not null as is_recorded,
      o.attnum is not null as has_org,
      array_to_string(
        array(
          select quote_literal(t.source)
          from unnest(c.relnamespace::regnamespace || '.' || c.relname || coalesce(s.writes, '{}')) as t (source)
        ), ', '
      ) as arguments
    from (
      select distinct b.objid from core.api_objects() as b where b.classid = 'pg_class'::regclass
      union
      select to_regclass(w.table_name) from core.data_source as w where cardinality(w.writes) > 0
      union
      select to_regclass(n.name)
      from core.data_function as f
      cross join unnest(f.reads) as n (name)
      union
      select to_regclass(v.name)
      from core.data_source as w
      cross join unnest(w.covered_by) as v (name)
    ) as b
    join pg_class as c on c.oid = b.objid and c.relkind in ('r', 'p') and not c.relispartition
    left join core.data_source as s on s.table_name = c.relnamespace::regnamespace || '.' || c.relname
    left join core.event_entity as e on e.table_name = c.relnamespace::regnamespace || '.' || c.relname
    left join pg_attribute as o on o.attrelid = c.oid and o.attname = 'org_id' and not o.attisdropped
    where s.table_name is null or cardinality(s.writes) > 0
    order by 1
  loop
    for v_trigger in
      select
        'note_' || v.operation as name,
        case
          when v.operation = 'truncate' then
            format('after truncate on %s for each statement execute function core.tg_row__note_truncate()', v_table.tab)
          when v_table.has_org then format(
            'after %1$s on %2$s %3$s for each statement execute function core.tg_row__note_%1$s(%4$s)',
            v.operation, v_table.tab, v.tables, v_table.arguments
          )
          else format(
            'after %s on %s for each statement execute function core.tg_row__note_shared(%s)',
            v.operation, v_table.tab, v_table.arguments
          )
        end as definition
      from (
        values
          ('insert', 'referencing new table as new_rows'),
          ('update', 'referencing old table as old_rows new table as new_rows'),
          ('delete', 'referencing old table as old_rows'),
          ('truncate', '')
      ) as v (operation, tables)
      where v.operation = 'truncate' or not v_table.is_recorded
    loop
      -- The arguments of a trigger stand in its definition.
      if not exists (
        select
        from pg_trigger as t
        where t.tgrelid = v_table.tab
          and t.tgname = v_trigger.name
          and (
            v_trigger.name = 'note_truncate'
            or substring(pg_get_triggerdef(t.oid) from '\((.*)\)$') = v_table.arguments
          )
      ) then
        v_changes := v_changes || format('create or replace trigger %I %s', v_trigger.name, v_trigger.definition);
        v_told := v_told || format('%s on %s', v_trigger.name, v_table.tab);
      end if;
    end loop;
    if v_table.is_partitioned then
      v_partitioned := v_partitioned || v_table.tab::oid;
    end if;
  end loop;

  delete from core.api_source as a
  where not exists (select from pg_class as c where c.relnamespace = 'api'::regnamespace and c.relname = a.view_name);

  insert into core.api_source as a (
    view_name, sources, shared_sources, junctions, time_dependence, cache_class, is_tagged, untagged_because, cache_control,
    versioned_table, revision
  )
  with dependencies as materialized (
    select d.view_name, d.kind, d.name from core.api_dependencies() as d
  ),
  -- The tables that a view itself is made of, for what refers to them.
  bases as materialized (
    select distinct c.relname::text as view_name, d.refobjid as tab
    from pg_class as c
    join pg_rewrite as w on w.ev_class = c.oid
    join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
    where c.relnamespace = 'api'::regnamespace and c.relkind in ('v', 'm') and d.refobjid <> c.oid
  ),
  referrers as materialized (
    select b.view_name, array_agg(j.view_name order by j.view_name) as views
    from bases as b
    join pg_constraint as k on k.contype = 'f' and k.confrelid = b.tab and k.conparentid = 0
    join bases as j on j.tab = k.conrelid
    group by b.view_name
  )
  select
    c.relname::text,
    coalesce(p.sources, '{}'),
    coalesce(p.shared_sources, '{}'),
    coalesce((select e.views from referrers as e where e.view_name = c.relname), '{}'),
    case when p.has_moment then 'moment' when p.has_day then 'day' else 'none' end,
    v.cache_class,
    coalesce(p.problem, case when p.has_moment then 'it shows what changes with the time' end) is null,
    coalesce(p.problem, case when p.has_moment then 'it shows what changes with the time' end),
    'private, ' || case when l.max_age_seconds > 0 then 'max-age=' || l.max_age_seconds else 'no-cache' end,
    (
      select min(t.tab::regclass::text)
      from bases as t
      join pg_attribute as n on n.attrelid = t.tab and n.attname = 'version' and not n.attisdropped
      where t.view_name = c.relname
        and pg_relation_is_updatable(c.oid, false) & 20 > 0 -- update, delete
        and not exists (select from pg_trigger as g where g.tgrelid = c.oid and g.tgtype & 64 > 0) -- instead of
        and exists (select from pg_trigger as g where g.tgrelid = t.tab and g.tgfoid = 'core.tg_row__touch'::regproc)
    ),
    pg_current_xact_id()::text
  from pg_class as c
  left join core.cached_view as v on v.view_name = c.relname
  left join core.cache_class as l on l.code = v.cache_class
  left join lateral (
    select
      array_agg(distinct d.name) filter (where d.kind = 'source') as sources,
      array_agg(distinct d.name) filter (
        where d.kind = 'source'
          and to_regclass(d.name) is not null
          and to_regclass(d.name) <> 'core.organization'::regclass
          and not exists (
            select
            from pg_attribute as o
            where o.attrelid = to_regclass(d.name) and o.attname = 'org_id' and not o.attisdropped
          )
      ) as shared_sources,
      bool_or(d.kind = 'day') as has_day,
      coalesce(bool_or(d.kind = 'moment'), false) as has_moment,
      min(
        case d.kind
          when 'unknown' then 'nobody has said what ' || d.name || ' reads'
          when 'untagged' then 'changes of ' || d.name || ' are not noted'
        end
      ) as problem
    from dependencies as d
    where d.view_name = c.relname
  ) as p on true
  where c.relnamespace = 'api'::regnamespace and c.relkind in ('v', 'm')
  on conflict (view_name) do update set
    sources = excluded.sources,
    shared_sources = excluded.shared_sources,
    junctions = excluded.junctions,
    time_dependence = excluded.time_dependence,
    cache_class = excluded.cache_class,
    is_tagged = excluded.is_tagged,
    untagged_because = excluded.untagged_because,
    cache_control = excluded.cache_control,
    versioned_table = excluded.versioned_table,
    revision = excluded.revision;

  -- For If-Match.
  for v_table in
    select distinct a.versioned_table::regclass as tab from core.api_source as a where a.versioned_table is not null order by 1
  loop
    for v_trigger in
      select v.name, format(v.definition, v_table.tab) as definition
      from (
        values
          (
            'expect_version',
            'before update or delete on %s for each row when (current_setting(''erpgres.if_match'', true) <> '''') '
            'execute function core.tg_row__expect_version()'
          ),
          (
            'expect_row',
            'after update or delete on %s for each statement when (current_setting(''erpgres.if_match'', true) <> '''') '
            'execute function core.tg_row__expect_row()'
          )
      ) as v (name, definition)
      where not exists (select from pg_trigger as t where t.tgrelid = v_table.tab and t.tgname = v.name)
    loop
      v_changes := v_changes || format('create trigger %I %s', v_trigger.name, v_trigger.definition);
      v_told := v_told || format('%s on %s', v_trigger.name, v_table.tab);
    end loop;
    v_partitioned := v_partitioned || v_table.tab::oid;
  end loop;

  -- What no view shows any more needs no trigger.
  for v_gone in
    select t.tgname, t.tgrelid::regclass as tab, c.relispartition
    from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    where t.tgname in ('note_insert', 'note_update', 'note_delete')
      and t.tgfoid in (
        'core.tg_row__note_insert'::regproc, 'core.tg_row__note_update'::regproc, 'core.tg_row__note_delete'::regproc,
        'core.tg_row__note_shared'::regproc
      )
      and exists (
        select
        from core.event_entity as e
        where to_regclass(e.table_name) = coalesce(pg_partition_root(t.tgrelid), t.tgrelid)
        union all
        select
        from core.data_source as s
        where to_regclass(s.table_name) = coalesce(pg_partition_root(t.tgrelid), t.tgrelid) and cardinality(s.writes) = 0
      )
  loop
    v_changes := v_changes || format('drop trigger if exists %I on %s', v_gone.tgname, v_gone.tab);
    v_told := v_told || format('dropped %s on %s', v_gone.tgname, v_gone.tab);
  end loop;

  for v_position in 1 .. cardinality(v_changes) loop
    execute v_changes[v_position];
    return next v_told[v_position];
  end loop;
  perform ops.copy_statement_triggers(i.inhparent, i.inhrelid)
  from pg_inherits as i
  where i.inhparent = any (v_partitioned);
end
$$;

comment on function core.ensure_sources() is
  'Make the triggers that note changes of the tables behind the views of the API, and core.api_source, from the catalog; '
  'returns the names of triggers made and dropped. Run by each migration, after policies; safe to run at any time.';
