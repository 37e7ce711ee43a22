-- What lists by function have in common: the size of a page, and how partitions are read newest first.

create or replace function wms.check_page_size(page_size integer)
returns void
language plpgsql
stable
parallel safe
as $$
begin
  if page_size is null or page_size not between 1 and 100 then
    perform core.raise_error('wms.page_size', jsonb_build_object('page_size', page_size));
  end if;
end
$$;

comment on function wms.check_page_size(integer) is 'Raises wms.page_size (422) unless it is from 1 to 100.';

grant execute on function wms.check_page_size(integer) to member, partner, superadmin, migrator;

-- A list without a bound on the id is planned over every partition, which costs more than reading it. In steps of one
-- quarter, two, four … a list that fills its page with the newest rows plans one partition, and one that finds nothing
-- plans each partition once.
create or replace function wms.id_steps(table_name text, before uuid)
returns table (lowest uuid, beyond uuid)
language plpgsql
stable
parallel safe
rows 6
set search_path = pg_catalog, pg_temp
as $$
declare
  v_oldest timestamptz;
  v_beyond uuid := id_steps.before;
  v_from timestamptz := date_trunc('quarter', least(coalesce(uuid_extract_timestamp(before), now()), now()), 'UTC');
  v_quarters integer := 1;
begin
  select make_timestamptz(min(left(p.quarter, 4))::integer, 1, 1, 0, 0, 0, 'UTC')
  into v_oldest
  from (
    select right(c.relname, 6) as quarter
    from pg_inherits as i
    join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = id_steps.table_name::regclass
  ) as p;
  -- Ids that a clock which is fast made: a week ahead of the next quarter its partition is looked into as well.
  if v_beyond is null then
    v_beyond := core.uuid_floor(date_trunc('quarter', now() + interval '7 days', 'UTC') + interval '3 months');
  end if;
  loop
    lowest := core.uuid_floor(v_from);
    beyond := v_beyond;
    return next;
    exit when v_from <= v_oldest;
    v_beyond := lowest;
    v_from := v_from - v_quarters * interval '3 months';
    v_quarters := v_quarters * 2;
  end loop;
end
$$;

comment on function wms.id_steps(text, uuid) is
  'Ranges of ids, newest first, that together hold the rows of a table of quarters before an id: each is as long as all '
  'before it.';

grant execute on function wms.id_steps(text, uuid) to member, partner, superadmin, migrator;
