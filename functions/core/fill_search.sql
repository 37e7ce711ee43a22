-- Brings rows into the search after they were written: those from before their table was registered, and of large imports.

-- Definer: nobody else may write what is searched.
create or replace function core.fill_search_part(
  source text,
  org_id uuid,
  after_id uuid,
  most integer,
  until_id uuid default null
)
returns table (last_id uuid, row_count integer, left_out integer)
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_source core.search_source;
  v_before text := current_setting('erpgres.org_id', true);
  v_rows text;
begin
  select s.* into strict v_source from core.search_source as s where s.code = fill_search_part.source;
  perform set_config('erpgres.org_id', fill_search_part.org_id::text, true);
  v_rows := format(
    'from %s as t where t.org_id = %L and t.%3$I > %4$L and t.%3$I <= ',
    v_source.table_name::regclass, fill_search_part.org_id, v_source.id_column,
    coalesce(fill_search_part.after_id, '00000000-0000-0000-0000-000000000000')
  );
  execute format(
    'select p.id from (select t.%1$I as id %2$s %3$L order by t.%1$I limit $1) as p order by p.id desc limit 1',
    v_source.id_column, v_rows, coalesce(fill_search_part.until_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  ) into last_id using fill_search_part.most;
  row_count := 0;
  left_out := 0;
  if last_id is not null then
    v_rows := v_rows || quote_literal(last_id);
    -- Until they are found nobody changes them: a change that did not see the entry would leave it as it was. Rows that
    -- somebody is changing are not waited for, who might wait for one of these.
    execute format(
      'select count(*), (select count(*) from (select %s for share skip locked) as l) %1$s', v_rows
    ) into row_count, left_out;
    left_out := row_count - left_out;
    execute core.search_insert(v_source.code, format('(select t.* %s for share skip locked)', v_rows));
  end if;
  perform set_config('erpgres.org_id', coalesce(v_before, ''), true);
  return next;
end
$$;

comment on function core.fill_search_part(text, uuid, uuid, integer, uuid) is
  'Bring the next rows of an organisation after an id, and up to another, into the search; returns the last id (null: there '
  'are no more), how many rows there were, and how many of them were left out because somebody was changing them.';

grant execute on function core.fill_search_part(text, uuid, uuid, integer, uuid) to worker, migrator;

-- Definer: it notes in core.import how far it is, in whatever organisation.
create or replace function core.fill_search_next(most integer)
returns integer
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fill core.search_fill;
  v_part record;
  v_is_over boolean;
  v_again integer;
  v_left integer;
  v_before text;
begin
  select f.*
  into v_fill
  from core.search_fill as f
  where f.of_org_id is not null and (f.run_after is null or f.run_after <= now())
  order by f.id
  limit 1
  for update skip locked;
  if not found then
    return null;
  end if;
  select p.*
  into v_part
  from core.fill_search_part(v_fill.source, v_fill.of_org_id, v_fill.after_id, fill_search_next.most, v_fill.last_id) as p;
  -- Others may have rows in the range as well: no more than the import's own are counted.
  v_is_over := v_part.row_count < fill_search_next.most or v_part.last_id = v_fill.last_id;
  v_again := least(v_fill.row_count, v_part.left_out);
  v_left := case when v_is_over then 0 else greatest(v_fill.row_count - v_again - v_part.row_count, 0) end;
  if v_part.left_out > 0 then
    insert into core.search_fill (source, of_org_id, after_id, last_id, row_count, import_id, run_after)
    values (
      v_fill.source, v_fill.of_org_id, v_fill.after_id, v_part.last_id, v_again, v_fill.import_id,
      now() + interval '1 second'
    );
  end if;
  if v_is_over then
    delete from core.search_fill as f where f.id = v_fill.id;
  else
    update core.search_fill as f set after_id = v_part.last_id, row_count = v_left where f.id = v_fill.id;
  end if;
  if v_fill.row_count - v_again - v_left > 0 then
    v_before := current_setting('erpgres.org_id', true);
    perform set_config('erpgres.org_id', v_fill.of_org_id::text, true);
    update core.import as i
    set search_pending_count = i.search_pending_count - (v_fill.row_count - v_again - v_left)
    where i.org_id = v_fill.of_org_id and i.id = v_fill.import_id;
    perform set_config('erpgres.org_id', coalesce(v_before, ''), true);
  end if;
  return v_part.row_count;
end
$$;

comment on function core.fill_search_next(integer) is
  'Bring the next rows of the oldest range that waits into the search; returns how many it looked at, null: no range waits';

grant execute on function core.fill_search_next(integer) to worker, migrator;

create or replace function core.fill_search(most integer default 5000)
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_rows bigint := 0;
  v_part integer;
begin
  -- A table that was registered: a range for each organisation that there is; those made later have the triggers.
  with registered as (
    delete from core.search_fill as f
    where f.id in (select a.id from core.search_fill as a where a.of_org_id is null for update skip locked)
    returning f.source
  )
  insert into core.search_fill (source, of_org_id)
  select r.source, o.id
  from registered as r
  cross join core.organization as o;

  loop
    v_part := core.fill_search_next(least(fill_search.most, 2500));
    exit when v_part is null;
    -- An empty range is work, too.
    v_rows := v_rows + greatest(v_part, 25);
    exit when v_rows >= fill_search.most;
  end loop;
  -- What is left is done by another run, in a transaction of its own: at once, or when a range may be tried again.
  perform ops.job_enqueue(j.name, '{}', now() + make_interval(secs => case when v_part is null then 1 else 0 end))
  from ops.job as j
  where j.name = 'core.fill_search'
    and not j.is_paused
    and exists (select from core.search_fill)
    and not exists (select from ops.job_run as r where r.job = j.name and r.state = 'WAITING');
  return v_rows;
end
$$;

comment on function core.fill_search(integer) is
  'Bring rows into the search that were there before their table was registered, or came by a large import: some thousands, '
  'then it asks the worker for another run, until none are left. Returns how many it looked at, an empty range counting as 25. '
  'Run when an import asks for it, and each minute.';

grant execute on function core.fill_search(integer) to worker, migrator;
