-- Who changed what, field by field.

create or replace function api.entity_history(entity text, id uuid)
returns table (
  event_id uuid,
  occurred_at timestamptz,
  type text,
  entity_version integer,
  actor_id uuid,
  actor_name text,
  request_id text,
  field text,
  old_value jsonb,
  new_value jsonb
)
language plpgsql
stable
parallel safe
rows 100
as $$
begin
  if not exists (select from core.event_entity as n where n.entity = entity_history.entity) then
    perform core.raise_error('events.entity_unknown', jsonb_build_object('entity', entity_history.entity));
  end if;
  -- Whether somebody may see events of this kind at all is no secret; whether there is such a row is.
  if not (
    entity_history.entity = any (events.readable_entities())
    or exists (
      select from unnest(events.readable_in_units()) as u (readable) where split_part(u.readable, '/', 1) = entity_history.entity
    )
  ) then
    perform core.raise_error('events.entity_refused', jsonb_build_object('entity', entity_history.entity));
  end if;
  if not exists (
    select
    from events.event as e
    where e.org_id = core.org_id() and e.entity = entity_history.entity and e.entity_id = entity_history.id
  ) then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', entity_history.entity, 'id', entity_history.id)
    );
  end if;
  return query
  select
    e.id,
    e.occurred_at,
    e.type,
    e.entity_version,
    e.actor_id,
    u.name,
    e.request_id,
    f.field,
    e.before -> f.field,
    case when f.field is null then e.payload else e.after -> f.field end
  from events.event as e
  left join lateral (
    select k.field
    from (
      select jsonb_object_keys(e.before) as field
      union
      select jsonb_object_keys(e.after)
    ) as k
  ) as f on true
  left join core.app_user as u on u.id = e.actor_id
  where e.org_id = core.org_id()
    and e.entity = entity_history.entity
    and e.entity_id = entity_history.id
  order by e.id desc, f.field;
end
$$;

comment on function api.entity_history(text, uuid) is
  E'Who changed what of a row, field by field\n'
  'Newest first, one row a field; an event that changed no field has one row without. A page: order=event_id.desc,field and '
  'limit. Errors: events.entity_refused (403), events.entity_unknown, core.not_found (404: nothing recorded that you may see).';

grant execute on function api.entity_history(text, uuid) to partner, member, superadmin;
