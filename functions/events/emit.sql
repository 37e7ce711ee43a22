-- Writes an event that is not the change of one row.

-- lint: allow error_by_code: what it refuses is a mistake in the function that calls it, which no client can mend
-- Definer: nobody may write events otherwise. The organisation is that of the request unless the tools name one.
create or replace function events.emit(
  type text,
  entity text,
  entity_id uuid,
  payload jsonb default null,
  entity_version integer default null,
  unit_id uuid default null,
  partner_id uuid default null,
  org_id uuid default null
)
returns uuid
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
  v_org_id uuid := core.org_id();
  -- Not returned by the insert: nobody reads what he writes for an organisation that is not his.
  v_id uuid := uuidv7();
begin
  if v_org_id is null then
    v_org_id := emit.org_id;
  elsif emit.org_id <> v_org_id then
    raise exception 'events.emit: an event of organisation % in a request of %', emit.org_id, v_org_id;
  end if;
  if v_org_id is null then
    raise exception 'events.emit: an event belongs to an organisation';
  end if;
  if not exists (select from core.event_entity as e where e.entity = emit.entity) then
    raise exception 'events.emit: there is no entity % in core.event_entity', emit.entity;
  end if;
  if emit.type !~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$' or split_part(emit.type, '.', 1) <> emit.entity then
    raise exception 'events.emit: the type is % and not %.what_happened', emit.type, emit.entity;
  end if;
  insert into events.event (
    org_id, id, type, entity, entity_id, entity_version, actor_id, session_id, unit_id, partner_id, request_id, payload
  )
  values (
    v_org_id, v_id, emit.type, emit.entity, emit.entity_id, emit.entity_version, (v_claims ->> 'sub')::uuid,
    (v_claims ->> 'sid')::uuid, emit.unit_id, emit.partner_id,
    case
      when nullif(current_setting('request.headers', true), '') is not null then current_setting('application_name')
    end,
    emit.payload
  );
  return v_id;
end
$$;

comment on function events.emit(text, text, uuid, jsonb, integer, uuid, uuid, uuid) is
  'Write an event of the type entity.what_happened and return its id. entity must be in core.event_entity; unit_id and '
  'partner_id say who may see it, as in the rows of that entity. Called by business functions; for the tools and the '
  'worker, who act for no organisation, org_id names it.';

grant execute on function events.emit(text, text, uuid, jsonb, integer, uuid, uuid, uuid) to
member, partner, superadmin, migrator, worker;
