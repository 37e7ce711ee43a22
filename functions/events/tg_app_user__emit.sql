-- A user's name and address belong to no organisation, and yet concern each that he works in.

-- Definer: nobody else may write events. A membership that begins is user.created already (core.event_entity).
create or replace function events.tg_app_user__emit()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := core.claims();
begin
  insert into events.event (
    org_id, type, entity, entity_id, entity_version, actor_id, session_id, request_id, before, after
  )
  select
    m.org_id,
    'user.updated',
    'user',
    n.id,
    m.version,
    (v_claims ->> 'sub')::uuid,
    (v_claims ->> 'sid')::uuid,
    case
      when nullif(current_setting('request.headers', true), '') is not null then current_setting('application_name')
    end,
    jsonb_build_object('name', o.name, 'email', o.email, 'is_active', o.is_active),
    jsonb_build_object('name', n.name, 'email', n.email, 'is_active', n.is_active)
  from old_rows as o
  join new_rows as n on n.id = o.id
  join core.membership as m on m.user_id = n.id
  where (o.name, o.email, o.is_active) is distinct from (n.name, n.email, n.is_active);
  return null;
end
$$;

comment on function events.tg_app_user__emit() is
  'Writes user.updated into each organisation that a changed user belongs to, with name, address and is_active before and after.';

create or replace trigger emit_update
after update on core.app_user
referencing old table as old_rows new table as new_rows
for each statement
execute function events.tg_app_user__emit();
