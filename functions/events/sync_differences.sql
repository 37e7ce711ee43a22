-- What a device holds, compared with what its user sees.

-- Stable, so that all of it sees the snapshot of the statement that calls it: rows, rights and events.
create or replace function events.sync_differences(
  device_id uuid,
  schema_version integer,
  tables text[],
  since xid8
)
returns table (sort_order integer, table_name text, row_id uuid, parent_id uuid, data text, hash bigint, kind text)
language plpgsql
stable
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_table core.sync_table;
  v_query text;
  v_view_part text;
  v_held_part text;
  v_rows uuid[];
  v_parents uuid[];
  v_found uuid[];
  v_unknown_rows uuid[];
  v_unknown_parents uuid[];
  v_touched jsonb := '{}';
  v_row record;
  -- Null: everything is compared.
  v_entities text[] := case when sync_differences.since is not null then events.find_sync_entities(sync_differences.since) end;
begin
  for v_table in
    select t.* from core.sync_table as t where t.name = any (sync_differences.tables) order by t.sort_order
  loop
    v_rows := '{}';
    v_parents := '{}';
    v_view_part := '';
    v_held_part := '';
    if v_entities is not null and not v_table.is_always_compared then
      -- What was pushed is sent again, even if the server changed nothing by it.
      select
        coalesce(array_agg(h.row_id) filter (where h.parent_id is null or v_table.parent_column is null), '{}'),
        coalesce(array_agg(distinct h.parent_id) filter (where h.parent_id is not null), '{}')
      into v_unknown_rows, v_unknown_parents
      from events.sync_held as h
      where h.org_id = v_org
        and h.device_id = sync_differences.device_id
        and h.table_name = v_table.name
        and h.hash is null;
      continue when not (
        cardinality(v_unknown_rows) + cardinality(v_unknown_parents) > 0
        or coalesce(v_table.row_entity = any (v_entities), false)
        or v_table.parent_entities && v_entities
        or coalesce(v_touched ? v_table.parent_table, false)
      );
      select c.row_ids, c.parent_ids
      into v_rows, v_parents
      from events.find_sync_candidates(
        sync_differences.since, v_table.row_entity, v_table.parent_column, v_table.parent_entities
      ) as c;
      v_rows := v_rows || v_unknown_rows;
      v_parents := v_parents || v_unknown_parents;
      -- When a row comes or goes, those below it may do so without an event of their own.
      if v_touched ? v_table.parent_table then
        v_parents := v_parents || array(
          select t.id::uuid from jsonb_array_elements_text(v_touched -> v_table.parent_table) as t (id)
        );
      end if;
      continue when cardinality(v_rows) = 0 and cardinality(v_parents) = 0;
      if v_table.parent_column is null then
        v_view_part := ' and v.id = any ($4)';
        v_held_part := ' and h.row_id = any ($4)';
      elsif cardinality(v_rows) = 0 then
        v_view_part := format(' and v.%I = any ($5)', v_table.parent_column);
        v_held_part := ' and h.parent_id = any ($5)';
      else
        v_view_part := format(' and (v.%I = any ($5) or v.id = any ($4))', v_table.parent_column);
        v_held_part := ' and (h.parent_id = any ($5) or h.row_id = any ($4))';
      end if;
    end if;

    v_query := events.sync_query(v_table.name, sync_differences.schema_version);
    v_found := '{}';
    for v_row in
      execute format(
        $query$
        select
          coalesce(n.row_id, h.row_id) as row_id,
          n.parent_id,
          n.data,
          n.hash,
          case when h.row_id is null then 'created' when n.row_id is null then 'deleted' else 'updated' end as kind
        from (
          -- Offset: the text of a row is made once, not for each mention.
          select s.row_id, s.parent_id, s.data, hashtextextended(s.data, 0) as hash from (%1$s%2$s offset 0) as s offset 0
        ) as n
        full join (
          select h.row_id, h.hash
          from events.sync_held as h
          where h.org_id = $1 and h.device_id = $2 and h.table_name = $3 and h.gone_point is null%3$s
        ) as h on h.row_id = n.row_id
        where n.row_id is null or h.row_id is null or h.hash is distinct from n.hash
        $query$,
        v_query, v_view_part, v_held_part
      )
      using v_org, sync_differences.device_id, v_table.name, v_rows, v_parents
    loop
      sync_differences.sort_order := v_table.sort_order;
      sync_differences.table_name := v_table.name;
      sync_differences.row_id := v_row.row_id;
      sync_differences.parent_id := v_row.parent_id;
      sync_differences.data := v_row.data;
      sync_differences.hash := v_row.hash;
      sync_differences.kind := v_row.kind;
      if v_entities is not null then
        v_found := array_append(v_found, v_row.row_id);
      end if;
      return next;
    end loop;
    if cardinality(v_found) > 0 then
      v_touched := v_touched || jsonb_build_object(v_table.name, to_jsonb(v_found));
    end if;
  end loop;
end
$$;

comment on function events.sync_differences(uuid, integer, text[], xid8) is
  'Rows that a device lacks (created), holds in another state (updated), or holds though its user does not see them (deleted): '
  'among those that events at or behind a position speak of, or among all if it is null or rights have changed since.';

grant execute on function events.sync_differences(uuid, integer, text[], xid8) to member, partner;
