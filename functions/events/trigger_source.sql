-- The body of the trigger function of a table, written out from the registry.

-- Written for one table, because a function for all of them would have to turn every row into jsonb and compare key by
-- key: here unchanged columns cost one comparison each (docs/adr/0005).
create or replace function events.trigger_source(entity text)
returns text
language plpgsql
stable
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entity core.event_entity;
  v_version boolean;
  v_status boolean;
  v_all text;
  v_old text;
  v_new text;
  v_differs text;
  v_before text;
  v_after text;
  v_type text;
  v_sources text;
  v_keeps_key boolean;
  v_join text;
  -- A full join can be hashed only: an inner one planned for a single row would compare every row with every other when
  -- thousands come.
  v_kept constant text := $kept$
    insert into events.event (
      org_id, xid, type, entity, entity_id, entity_version, actor_id, session_id, unit_id, partner_id, request_id, before, after
    )
    select
      n.%1$I, v_xid, %14$s, %3$L, n.%4$I, %5$s, v_actor, v_session, %6$s, %7$s, v_request,
      %15$s,
      %16$s
    from old_rows as o
    full join new_rows as n on %17$s;
$kept$;
  -- A row whose key changed is one gone and one come.
  v_any constant text := $any$
    insert into events.event (
      org_id, xid, type, entity, entity_id, entity_version, actor_id, session_id, unit_id, partner_id, request_id, before, after
    )
    select
      coalesce(n.%1$I, o.%1$I),
      v_xid,
      case when o.%1$I is null then %2$L when n.%1$I is null then %9$L else %14$s end,
      %3$L,
      coalesce(n.%4$I, o.%4$I),
      coalesce(%5$s, %10$s),
      v_actor,
      v_session,
      coalesce(%6$s, %11$s),
      coalesce(%7$s, %12$s),
      v_request,
      case when n.%1$I is null then to_jsonb(old_values) when o.%1$I is not null then %15$s end,
      case when o.%1$I is null then to_jsonb(new_values) when n.%1$I is not null then %16$s end
    from old_rows as o
    full join new_rows as n on %17$s
    cross join lateral (%13$s) as old_values
    cross join lateral (%8$s) as new_values
    where o.%1$I is null or n.%1$I is null or %18$s%19$s;
$any$;
  v_body text := $body$
declare
  -- As the default of the column says, but once a statement.
  v_xid xid8 := greatest(
    pg_current_xact_id(), ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text)::xid8
  );
  v_claims jsonb := core.claims();
  v_actor uuid := (v_claims ->> 'sub')::uuid;
  v_session uuid := (v_claims ->> 'sid')::uuid;
  v_request text := case
    when nullif(current_setting('request.headers', true), '') is not null then current_setting('application_name')
  end;
begin
  if tg_op = 'INSERT' then
    insert into core.data_change (org_id, source, xid)
    select r.org_id, s.source, pg_current_xact_id()
    from (select distinct n.%1$I as org_id from new_rows as n) as r
    cross join unnest(%20$s) as s (source)
    on conflict do nothing;
  elsif tg_op = 'DELETE' then
    insert into core.data_change (org_id, source, xid)
    select r.org_id, s.source, pg_current_xact_id()
    from (select distinct o.%1$I as org_id from old_rows as o) as r
    cross join unnest(%20$s) as s (source)
    on conflict do nothing;
  else
    insert into core.data_change (org_id, source, xid)
    select r.org_id, s.source, pg_current_xact_id()
    from (@organizations) as r
    cross join unnest(%20$s) as s (source)
    on conflict do nothing;
  end if;
  -- The tools load in bulk, and say in one event what they brought.
  if tg_op = 'INSERT' and session_user = 'migrator' and current_setting('erpgres.bulk_load', true) = 'on' then
    return null;
  end if;
  -- A back-fill of a migration is no change of the business; ops.backfill says that it was.
  if tg_op = 'UPDATE' and session_user = 'migrator' and current_setting('erpgres.backfill', true) = 'on' then
    return null;
  end if;
  if tg_op = 'INSERT' then
    insert into events.event (
      org_id, xid, type, entity, entity_id, entity_version, actor_id, session_id, unit_id, partner_id, request_id, after
    )
    select n.%1$I, v_xid, %2$L, %3$L, n.%4$I, %5$s, v_actor, v_session, %6$s, %7$s, v_request, to_jsonb(new_values)
    from new_rows as n
    cross join lateral (%8$s) as new_values;
  elsif tg_op = 'DELETE' then
    insert into events.event (
      org_id, xid, type, entity, entity_id, entity_version, actor_id, session_id, unit_id, partner_id, request_id, before
    )
    select o.%1$I, v_xid, %9$L, %3$L, o.%4$I, %10$s, v_actor, v_session, %11$s, %12$s, v_request, to_jsonb(old_values)
    from old_rows as o
    cross join lateral (%13$s) as old_values;
  else
@updated  end if;
  return null;
end
$body$;
begin
  select e.* into strict v_entity from core.event_entity as e where e.entity = trigger_source.entity;
  select
    bool_or(a.attname = 'version'),
    bool_or(a.attname = 'status')
  into v_version, v_status
  from pg_attribute as a
  where a.attrelid = v_entity.table_name::regclass and a.attnum > 0 and not a.attisdropped;

  -- Keys that are no id stand in every event; other columns of an update only if they differ. A column whose type knows
  -- no equality, or has it in a schema that is not looked into, is compared as text. A function takes a hundred arguments,
  -- hence the parts of forty columns.
  select
    string_agg(p.every, ', ' order by p.part),
    string_agg(p.differs, ' or ' order by p.part),
    string_agg(format(E'concat(\n        %s\n      )', replace(p.changed, '?.', 'o.')), ' || ' order by p.part),
    string_agg(format(E'concat(\n        %s\n      )', replace(p.changed, '?.', 'n.')), ' || ' order by p.part)
  into v_all, v_differs, v_before, v_after
  from (
    select
      c.n / 40 as part,
      string_agg(format('?.%I', c.name), ', ' order by c.n) as every,
      string_agg(c.differs, ' or ' order by c.n) filter (where not c.is_key) as differs,
      string_agg(case when c.is_key then c.pair else format('case when %s then %s end', c.differs, c.pair) end,
        E',\n        ' order by c.n) as changed
    from (
      select
        r.name,
        r.is_key,
        row_number() over () - 1 as n,
        format(
          'o.%1$I%2$s is distinct from n.%1$I%2$s', r.name, 
          case when r.type_name = 'json' or r.type_name like '%.%' then '::text' else '' end
        ) as differs,
        format('%L || coalesce(to_jsonb(?.%I)::text, ''null'')', ',' || to_json(r.name) || ':', r.name) as pair
      from events.recorded_columns(trigger_source.entity) as r
    ) as c
    group by c.n / 40
  ) as p;

  -- A row becomes an object in less time than by jsonb_build_object, which looks up the type of each name and value.
  v_new := format('select %s', replace(v_all, '?.', 'n.'));
  v_old := format('select %s', replace(v_all, '?.', 'o.'));
  -- Without the comma that each part begins with.
  v_before := format('(''{'' || right(%s, -1) || ''}'')::jsonb', v_before);
  v_after := format('(''{'' || right(%s, -1) || ''}'')::jsonb', v_after);
  v_differs := coalesce(v_differs, 'false');
  v_type := format('%L', v_entity.entity || '.updated');
  if v_status then
    v_type := format(
      'case when o.status is distinct from n.status then %L || lower(n.status) else %s end', v_entity.entity || '.', v_type
    );
  end if;

  -- Which transaction changed what, for tags (core.data_tag), whatever else is left out.
  select format('%L::text[]', array_agg(s.source order by s.n))
  into v_sources
  from (
    select v_entity.table_name as source, 0 as n
    union all
    select w.source, w.n
    from core.data_source as d
    cross join unnest(d.writes) with ordinality as w (source, n)
    where d.table_name = v_entity.table_name
  ) as s;

  select string_agg(format('n.%1$I = o.%1$I', a.attname), ' and ' order by k.n)
  into v_join
  from pg_index as i
  cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
  join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = v_entity.table_name::regclass and i.indisprimary;

  -- core.tg_row__touch keeps the key of whatever is updated, and counts its version: then nothing is to be asked about
  -- either. For a few rows a statement is longer getting ready than at work, and each expression counts.
  v_keeps_key := coalesce(v_version, false) and exists (
    select
    from pg_trigger as t
    cross join lateral (
      select case
        when t.tgnargs = 0 then array['org_id', 'id']
        else string_to_array(encode(t.tgargs, 'escape'), '\000')
      end as columns
    ) as k
    where t.tgrelid = v_entity.table_name::regclass
      and t.tgfoid = to_regprocedure('core.tg_row__touch()')
      and t.tgtype = 19 -- before update, for each row
      and t.tgenabled in ('O', 'A')
      and t.tgqual is null
      and t.tgattr::text = ''
      and v_entity.org_column = any (k.columns)
      and not exists (
        select
        from pg_index as i
        join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
        where i.indrelid = t.tgrelid and i.indisprimary and a.attname <> all (k.columns)
      )
  );

  v_body := replace(
    v_body, '@organizations',
    case
      when v_keeps_key then 'select distinct n.%1$I as org_id from new_rows as n'
      else 'select n.%1$I as org_id from new_rows as n union select o.%1$I as org_id from old_rows as o'
    end
  );
  v_body := replace(v_body, '@updated', case when v_keeps_key then v_kept else v_any end);
  return format(
    v_body,
    v_entity.org_column, v_entity.entity || '.created', v_entity.entity, v_entity.id_column,
    case when v_version then 'n.version' else 'null::integer' end,
    coalesce('n.' || quote_ident(v_entity.unit_column), 'null::uuid'),
    coalesce('n.' || quote_ident(v_entity.partner_column), 'null::uuid'),
    v_new, v_entity.entity || '.deleted',
    case when v_version then 'o.version' else 'null::integer' end,
    coalesce('o.' || quote_ident(v_entity.unit_column), 'null::uuid'),
    coalesce('o.' || quote_ident(v_entity.partner_column), 'null::uuid'),
    v_old, v_type, v_before, v_after,
    v_join, v_differs,
    case when v_version then ' or o.version is distinct from n.version' else '' end,
    v_sources
  );
end
$$;

comment on function events.trigger_source(text) is
  'The body of the trigger function that records the changes of the table of an entity, and notes which transaction made '
  'them in core.data_change.';
