-- Makes the triggers that keep what is searched, from the registry.

-- Written for one table, as the triggers of events are: no row is turned into jsonb.
create or replace function core.search_insert(source text, relation text)
returns text
language sql
stable
parallel unsafe
set search_path = pg_catalog, pg_temp
return (
  select format(
    $sql$
  with made as (
    insert into core.searchable (org_id, entity, id, source, code, title, words, partner_id)
    select r.org_id, %1$L, r.%2$I, %3$L, c.code, case when c.n = 1 then %4$s end, case when c.n = 1 then %5$s end, %6$s
    from %7$s as r
    cross join lateral (%8$s) as c (code, n)%9$s
    where c.code <> ''
    on conflict do nothing
    returning org_id, words
  )
  insert into core.search_word (org_id, word)
  select w.org_id, w.word
  from (
    select distinct m.org_id, u.word
    from made as m
    cross join lateral (select substr(a.word, 7) from unnest(tsvector_to_array(m.words)) as a (word)) as u (word)
    where length(u.word) between 3 and 40
      and u.word = translate(u.word, '0123456789', '')
  ) as w
  where not exists (select from core.search_word as k where k.org_id = w.org_id and k.word = w.word collate "C");
$sql$,
    s.entity, s.id_column, s.code,
    coalesce('core.search_code(r.' || quote_ident(s.title_column) || ')', 'null::text'),
    coalesce(
      (
        -- The mark goes before each word.
        select 'array_to_tsvector(string_to_array(t.scope || replace(t.words, '' '', '' '' || t.scope), '' ''))'
        where cardinality(s.word_columns) > 0
      ),
      'null::tsvector'
    ),
    coalesce('r.' || quote_ident(s.partner_column), 'null::uuid'),
    search_insert.relation,
    (
      select format(
        case
          -- offset 0: computed once, not once for each use of it
          when count(*) = 1 then 'select v.code, v.n from (values %s) as v (code, n) offset 0'
          else 'select distinct on (v.code) v.code, v.n from (values %s) as v (code, n) order by v.code, v.n'
        end,
        string_agg(format('(core.search_code(r.%I), %s)', c.name, c.n), ', ')
      )
      from unnest(s.code_columns) with ordinality as c (name, n)
    ),
    (
      select format(
        E'\n    cross join lateral (select core.search_scope(r.org_id, %L), concat_ws('' '', %s) offset 0) as x (scope, text)'
        '\n    cross join lateral (select x.scope, core.search_blanks(core.search_fold(x.text)) offset 0) as t (scope, words)',
        s.entity, string_agg(format('r.%I', c), ', ')
      )
      from unnest(s.word_columns) as c
      having count(*) > 0
    )
  )
  from core.search_source as s
  where s.code = search_insert.source
);

comment on function core.search_insert(text, text) is
  'The statement that brings rows of a source into the search; relation is a table, or what stands for one';

create or replace function core.search_later(
  source text,
  import_id uuid,
  row_count bigint,
  org_id uuid,
  first_id uuid,
  last_id uuid
)
returns boolean
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A few rows are brought as fast as noted. The bound below is exclusive, hence the moment before.
  if search_later.row_count < 1000 or uuid_extract_version(search_later.first_id) is distinct from 7 then
    return false;
  end if;
  insert into core.search_fill (source, of_org_id, after_id, last_id, row_count, import_id)
  values (
    search_later.source, search_later.org_id,
    core.uuid_floor(uuid_extract_timestamp(search_later.first_id) - interval '1 millisecond'), search_later.last_id,
    search_later.row_count, search_later.import_id
  );
  update core.import as i
  set search_pending_count = i.search_pending_count + search_later.row_count
  where i.org_id = search_later.org_id and i.id = search_later.import_id;
  return true;
end
$$;

comment on function core.search_later(text, uuid, bigint, uuid, uuid, uuid) is
  'Note that rows of an import come into the search after its commit, in its own transaction; false when they are too few. '
  'Asked by the triggers of core.ensure_search when erpgres.search_later names an import, as only the login of the tools can.';

create or replace function core.ensure_search()
returns setof text
language plpgsql
volatile
parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_source record;
  v_name text;
  v_body text;
  v_delete text;
  v_changed text;
  v_filled text;
  v_is_new boolean;
  v_gone record;
begin
  for v_source in
    select
      s.code,
      s.entity,
      s.id_column,
      s.code_columns,
      s.table_name::regclass as tab,
      a.attnotnull as is_always,
      -- Whether a range of ids is some rows and no more: the id is the table's own.
      a.attnotnull and exists (
        select from pg_index as i
        join pg_attribute as o on o.attrelid = i.indrelid and o.attname = 'org_id'
        join pg_attribute as k on k.attrelid = i.indrelid and k.attname = s.id_column
        where i.indrelid = s.table_name::regclass
          and i.indisprimary
          and i.indkey::text = concat(o.attnum, ' ', k.attnum)
      ) as is_ranged,
      s.code_columns || s.word_columns || array_remove(array[s.title_column, s.partner_column, s.id_column], null) as columns
    from core.search_source as s
    join pg_attribute as a on a.attrelid = s.table_name::regclass and a.attname = s.code_columns[1]
    order by s.code
  loop
    v_name := format('tg_%s__search', v_source.code);
    select string_agg(distinct format('old.%1$I is distinct from new.%1$I', c), ' or ')
    into v_changed
    from unnest(v_source.columns) as c;
    select string_agg(format('new.%I is not null', c), ' or ') into v_filled from unnest(v_source.code_columns) as c;
    v_delete := format(
      $sql$
    delete from core.searchable as s
    where s.org_id = old.org_id
      and s.entity = %L
      and s.id = old.%I
      and s.source = %L
      and s.code = any (array[%s]);
$sql$,
      v_source.entity, v_source.id_column, v_source.code,
      (select string_agg(format('core.search_code(old.%I)', c), ', ') from unnest(v_source.code_columns) as c)
    );
    v_body := format(
      $body$
begin
  if tg_level = 'STATEMENT' then%s%s    return null;
  end if;
  if tg_op <> 'INSERT' then%s  end if;
  if tg_op <> 'DELETE' then%s  end if;
  return null;
end
$body$,
      -- Only the trigger of the statement has rows by this name; elsewhere the branch is never planned.
      case
        when v_source.is_ranged then format(
          $sql$
    if session_user = 'migrator' and current_setting('erpgres.search_later', true) <> '' then
      if core.search_later(
        %L, current_setting('erpgres.search_later')::uuid, (select count(*) from new_rows),
        (select n.org_id from new_rows as n limit 1),
        (select n.%2$I from new_rows as n order by n.%2$I limit 1),
        (select n.%2$I from new_rows as n order by n.%2$I desc limit 1)
      ) then
        return null;
      end if;
    end if;
$sql$,
          v_source.code, v_source.id_column
        )
        else ''
      end,
      core.search_insert(v_source.code, 'new_rows'), v_delete, core.search_insert(v_source.code, '(select new.*)')
    );
    if not exists (
      select from pg_proc as p where p.pronamespace = 'core'::regnamespace and p.proname = v_name and p.prosrc = v_body
    ) then
      -- Definer: nobody else may write what is searched.
      execute format(
        'create or replace function core.%I() returns trigger language plpgsql volatile parallel unsafe '
        'security definer set search_path = pg_catalog, pg_temp as %L',
        v_name, v_body
      );
      execute format(
        'comment on function core.%I() is %L', v_name,
        format('Keeps what is found of %s; made by core.ensure_search.', v_source.tab)
      );
      return next v_name;
    end if;

    v_is_new := not exists (select from pg_trigger as t where t.tgrelid = v_source.tab and t.tgname = 'search_insert');
    if v_is_new and v_source.is_always then
      execute format(
        'create trigger search_insert after insert on %s referencing new table as new_rows for each statement '
        'execute function core.%I()', v_source.tab, v_name
      );
      perform ops.copy_statement_triggers(i.inhparent, i.inhrelid) from pg_inherits as i where i.inhparent = v_source.tab;
    elsif v_is_new then
      execute format(
        'create trigger search_insert after insert on %s for each row when (%s) execute function core.%I()',
        v_source.tab, v_filled, v_name
      );
    end if;
    if v_is_new then
      execute format(
        'create trigger search_update after update on %s for each row when (%s) execute function core.%I()',
        v_source.tab, v_changed, v_name
      );
      execute format(
        'create trigger search_delete after delete on %s for each row execute function core.%I()', v_source.tab, v_name
      );
      insert into core.search_fill (source) values (v_source.code);
    end if;
  end loop;

  -- What the registry no longer names goes, with its triggers.
  for v_gone in
    select p.oid::regprocedure as function, p.proname::text as name
    from pg_proc as p
    where p.pronamespace = 'core'::regnamespace
      and p.proname ~ '^tg_.*__search$'
      and not exists (select from core.search_source as s where p.proname = format('tg_%s__search', s.code))
  loop
    for v_source in
      select t.tgname, t.tgrelid::regclass as tab
      from pg_trigger as t
      where t.tgfoid = v_gone.function::oid and t.tgparentid = 0
    loop
      execute format('drop trigger %I on %s', v_source.tgname, v_source.tab);
    end loop;
    execute format('drop function %s', v_gone.function);
    return next v_gone.name;
  end loop;
end
$$;

comment on function core.ensure_search() is
  'Make the triggers that core.search_source asks for, and drop those it no longer names; returns the names of functions '
  'made, changed or dropped. Rows that are there already are brought by core.fill_search. Run by each migration.';
