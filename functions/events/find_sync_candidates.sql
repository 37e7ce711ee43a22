-- Which rows may have changed for a device since a position in the feed.

-- Definer: who may see a row need not be allowed to see its events. What is found is compared with what the caller sees and
-- shown to nobody.
create or replace function events.find_sync_candidates(
  since xid8,
  row_entity text,
  parent_column text,
  parent_entities text[],
  out row_ids uuid[],
  out parent_ids uuid[]
)
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
  with happened as materialized (
    select e.entity, e.entity_id, e.before, e.after
    from events.event as e
    where e.org_id = core.org_id()
      and e.xid >= find_sync_candidates.since
      and (
        e.entity = find_sync_candidates.row_entity
        or e.entity = any (find_sync_candidates.parent_entities)
      )
  )
  select
    array(
      select distinct h.entity_id
      from happened as h
      where h.entity = find_sync_candidates.row_entity
        and coalesce(h.after, h.before) ->> find_sync_candidates.parent_column is null
    ),
    array(
      select distinct p.id
      from happened as h
      cross join lateral (
        values
          (case when h.entity = any (find_sync_candidates.parent_entities) then h.entity_id end),
          (case when h.entity = find_sync_candidates.row_entity then (h.before ->> find_sync_candidates.parent_column)::uuid end),
          (case when h.entity = find_sync_candidates.row_entity then (h.after ->> find_sync_candidates.parent_column)::uuid end)
      ) as p (id)
      where p.id is not null
    )
  into find_sync_candidates.row_ids, find_sync_candidates.parent_ids;
end
$$;

comment on function events.find_sync_candidates(xid8, text, text, text[]) is
  'Rows of one table that events at or behind a position in the feed speak of: by id, and by the row that they belong to, '
  'where the events tell it';

grant execute on function events.find_sync_candidates(xid8, text, text, text[]) to member, partner;

-- Definer: as above.
create or replace function events.find_sync_entities(since xid8)
returns text[]
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
  v_entities text[];
  v_count bigint;
begin
  select array_agg(distinct e.entity), count(*)
  into v_entities, v_count
  from (
    select x.entity
    from events.event as x
    where x.org_id = core.org_id()
      and x.xid >= find_sync_entities.since
    limit 5001
  ) as e;
  -- Who may see what; and of the organisation, that rows were loaded without an event each.
  if v_count > 5000
    or v_entities && '{api_key,org_unit,organization,role,role_permission,setting,user,user_role}'
  then
    return null;
  end if;
  return coalesce(v_entities, '{}');
end
$$;

comment on function events.find_sync_entities(xid8) is
  'Of which entities there are events at or behind a position; null when after them any row may have come or gone (a change '
  'of rights, a load in bulk), or when there are so many that comparing all is cheaper, or no position is given';

grant execute on function events.find_sync_entities(xid8) to member, partner;
