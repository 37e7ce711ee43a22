-- Which rows may have changed for a device since a moment, and whether anything may have.

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
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
  with happened as materialized (
    select e.entity, e.entity_id, e.before, e.after
    from events.event as e
    where e.org_id = (select core.org_id())
      and e.xid >= find_sync_candidates.since
      and (
        e.entity = find_sync_candidates.row_entity
        or e.entity = any (find_sync_candidates.parent_entities)
      )
  )
  select
    coalesce(
      (
        select array_agg(distinct h.entity_id)
        from happened as h
        where h.entity = find_sync_candidates.row_entity
          and coalesce(h.after, h.before) ->> find_sync_candidates.parent_column is null
      ),
      '{}'
    ),
    coalesce(
      (
        select array_agg(distinct p.id)
        from happened as h
        cross join lateral (
          values
            (case when h.entity = any (find_sync_candidates.parent_entities) then h.entity_id end),
            (case when h.entity = find_sync_candidates.row_entity then (h.before ->> find_sync_candidates.parent_column)::uuid end),
            (case when h.entity = find_sync_candidates.row_entity then (h.after ->> find_sync_candidates.parent_column)::uuid end)
        ) as p (id)
        where p.id is not null
      ),
      '{}'
    );
$$;

comment on function events.find_sync_candidates(xid8, text, text, text[]) is
  'Rows of one table that events at or behind a position in the feed speak of: by id, and by the row that they belong to, '
  'where the events tell it';

grant execute on function events.find_sync_candidates(xid8, text, text, text[]) to member, partner;

-- Definer: as above.
create or replace function events.sync_needs_all(since xid8)
returns boolean
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
  select count(*) > 5000
    -- Who may see what; and of the organisation, that rows were loaded without an event each.
    or coalesce(
      bool_or(
        e.entity in ('api_key', 'org_unit', 'organization', 'role', 'role_permission', 'setting', 'user', 'user_role')
      ),
      false
    )
  from (
    select x.entity
    from events.event as x
    where x.org_id = (select core.org_id())
      and x.xid >= sync_needs_all.since
    limit 5001
  ) as e;
$$;

comment on function events.sync_needs_all(xid8) is
  'Whether something happened at or behind a position after which any row may have come or gone: a change of rights, a load '
  'in bulk; or so much that comparing all is cheaper';

grant execute on function events.sync_needs_all(xid8) to member, partner;
