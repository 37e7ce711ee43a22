-- Brings rows into the search that were there before their table was registered.

-- Definer: nobody else may write what is searched.
create or replace function core.fill_search_part(source text, org_id uuid, after_id uuid, most integer)
returns uuid
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_source core.search_source;
  v_before text := current_setting('erpgres.org_id', true);
  v_after uuid := coalesce(fill_search_part.after_id, '00000000-0000-0000-0000-000000000000');
  v_last uuid;
begin
  select s.* into strict v_source from core.search_source as s where s.code = fill_search_part.source;
  perform set_config('erpgres.org_id', fill_search_part.org_id::text, true);
  execute format(
    'select p.id from (select t.%1$I as id from %2$s as t where t.org_id = $1 and t.%1$I > $2 order by t.%1$I limit $3) as p '
    'order by p.id desc limit 1',
    v_source.id_column, v_source.table_name::regclass
  ) into v_last using fill_search_part.org_id, v_after, fill_search_part.most;
  if v_last is not null then
    execute core.search_insert(
      v_source.code,
      format(
        '(select t.* from %1$s as t where t.org_id = %2$L and t.%3$I > %4$L and t.%3$I <= %5$L)',
        v_source.table_name::regclass, fill_search_part.org_id, v_source.id_column, v_after, v_last
      )
    );
  end if;
  perform set_config('erpgres.org_id', coalesce(v_before, ''), true);
  return v_last;
end
$$;

comment on function core.fill_search_part(text, uuid, uuid, integer) is
  'Bring the next rows of an organisation after an id into the search; returns the last id, null when there are no more.';

grant execute on function core.fill_search_part(text, uuid, uuid, integer) to worker, migrator;

create or replace function core.fill_search(most integer default 20000)
returns bigint
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_fill core.search_fill;
  v_left integer := fill_search.most;
  v_org uuid;
  v_last uuid;
  v_parts bigint := 0;
begin
  for v_fill in select f.* from core.search_fill as f order by f.source for update skip locked
  loop
    loop
      v_org := (
        select o.id
        from core.organization as o
        where v_fill.of_org_id is null or o.id >= v_fill.of_org_id
        order by o.id
        limit 1
      );
      if v_org is null then
        delete from core.search_fill as f where f.source = v_fill.source;
        exit;
      end if;
      if v_org is distinct from v_fill.of_org_id then
        v_fill.after_id := null;
      end if;
      v_last := core.fill_search_part(v_fill.source, v_org, v_fill.after_id, 2000);
      v_parts := v_parts + 1;
      v_left := v_left - 2000;
      if v_last is null then
        -- The next organisation: the smallest id after this one.
        v_fill.of_org_id := (select o.id from core.organization as o where o.id > v_org order by o.id limit 1);
        v_fill.after_id := null;
        if v_fill.of_org_id is null then
          delete from core.search_fill as f where f.source = v_fill.source;
          exit;
        end if;
      else
        v_fill.of_org_id := v_org;
        v_fill.after_id := v_last;
      end if;
      if v_left <= 0 then
        update core.search_fill as f
        set of_org_id = v_fill.of_org_id, after_id = v_fill.after_id
        where f.source = v_fill.source;
        return v_parts;
      end if;
    end loop;
  end loop;
  return v_parts;
end
$$;

comment on function core.fill_search(integer) is
  'Bring rows of newly registered sources into the search, some tens of thousands a run; returns how many parts of 2,000 rows '
  'it looked at. Run by the worker each minute; what has come is not looked at again.';

grant execute on function core.fill_search(integer) to worker, migrator;
