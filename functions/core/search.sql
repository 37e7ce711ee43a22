-- Finds whatever is registered, by code, name or words.

create or replace function api.search(q text, kinds text[] default null, "limit" integer default 20)
returns table (entity text, id uuid, title text, subtitle text, rank numeric)
language plpgsql
stable
parallel safe
rows 20
set search_path = pg_catalog, pg_temp
as $$
declare
  v_entity core.search_entity;
  v_unknown text;
  v_ids uuid[];
  v_ranks numeric[];
  v_hits jsonb := '[]';
begin
  if coalesce(btrim(q), '') = '' then
    perform core.raise_error('core.search_empty');
  elsif length(regexp_replace(core.search_text(q), E'[\\s!-/:-@\\[-`{-~]', '', 'g')) < 2 then
    perform core.raise_error('core.search_short', jsonb_build_object('q', q));
  elsif length(q) > 200 then
    perform core.raise_error('core.search_long', jsonb_build_object('longest', 200));
  elsif "limit" is null or "limit" not between 1 and 100 then
    perform core.raise_error('core.search_limit', jsonb_build_object('limit', "limit"));
  end if;
  v_unknown := (
    select min(k.kind)
    from unnest(kinds) as k (kind)
    where not exists (select from core.search_entity as e where e.entity = k.kind)
  );
  if v_unknown is not null then
    perform core.raise_error('core.search_kind_unknown', jsonb_build_object('kind', v_unknown));
  end if;

  for v_entity in
    select e.*
    from core.search_entity as e
    where (search.kinds is null or e.entity = any (search.kinds))
      and case
        when not has_schema_privilege(split_part(e.table_name, '.', 1), 'usage') then false
        else has_any_column_privilege(e.table_name, 'select')
      end
      and (e.read_permission is null or core.has_permission(e.read_permission))
    order by e.entity
  loop
    select array_agg(f.id), array_agg(f.rank)
    into v_ids, v_ranks
    from (
      select c.id, max(c.rank) as rank
      from core.find_entries(v_entity.entity, q, greatest("limit", v_entity.candidates)) as c
      group by c.id
      order by max(c.rank) desc
    ) as f;
    if v_ids is not null then
      -- As the caller: policies and grants of the tables decide what he is shown.
      execute format(
        'select $1 || coalesce(jsonb_agg(jsonb_build_array(%L, d.id, d.title, d.subtitle, f.rank)), ''[]'')'
        ' from %s($2) as d join unnest($2, $3) as f (id, rank) on f.id = d.id',
        v_entity.entity, v_entity.describe_function::regproc
      ) into v_hits using v_hits, v_ids, v_ranks;
    end if;
  end loop;

  return query
  select h.hit ->> 0, (h.hit ->> 1)::uuid, h.hit ->> 2, h.hit ->> 3, (h.hit ->> 4)::numeric
  from jsonb_array_elements(v_hits) as h (hit)
  order by (h.hit ->> 4)::numeric desc, length(h.hit ->> 2), h.hit ->> 2, h.hit ->> 1
  limit search."limit";
end
$$;

comment on function api.search(text, text[], integer) is
  E'Find by code, number, name or words\n'
  'Exact codes first, then what begins with q, then rows that have all its words in any order, whole or begun, without '
  'regard to accents; if there are none, words that look alike, and parts of codes. kinds: some of /search_kinds. At most '
  'limit rows (20, up to 100), only those that the caller may see. Errors: core.search_empty, core.search_short, '
  'core.search_long, core.search_limit, core.search_kind_unknown (422).';

grant execute on function api.search(text, text[], integer) to member, partner, superadmin;
