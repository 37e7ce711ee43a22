-- Of what a user wants to be told.

-- Definer: with the permission also for somebody else.
create or replace function api.notification_preference_put(
  event_type text, is_on boolean default null, user_id uuid default null
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id uuid := coalesce(notification_preference_put.user_id, core.user_id());
begin
  if v_user_id is distinct from core.user_id() then
    perform core.require_permission('core.notification.assign');
    if not exists (
      select from core.membership as m where m.org_id = core.org_id() and m.user_id = v_user_id and m.is_active
    ) then
      perform core.raise_error('core.not_found', jsonb_build_object('entity', 'user', 'id', v_user_id));
    end if;
  end if;
  if notification_preference_put.event_type !~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$' or not exists (
    select
    from core.event_entity as e
    where e.entity = split_part(notification_preference_put.event_type, '.', 1)
  ) then
    perform core.raise_error(
      'events.type_unknown', jsonb_build_object('event_type', notification_preference_put.event_type)
    );
  end if;
  if notification_preference_put.is_on is null then
    delete from events.notification_preference as p
    where p.org_id = core.org_id()
      and p.user_id = v_user_id
      and p.event_type = notification_preference_put.event_type;
  else
    insert into events.notification_preference as p (user_id, event_type, is_on)
    values (v_user_id, notification_preference_put.event_type, notification_preference_put.is_on)
    on conflict on constraint notification_preference_pkey
    do update set is_on = excluded.is_on, updated_at = now(), updated_by = core.user_id();
  end if;
  return jsonb_build_object(
    'user_id', v_user_id, 'event_type', notification_preference_put.event_type,
    'is_on', notification_preference_put.is_on
  );
end
$$;

comment on function api.notification_preference_put(text, boolean, uuid) is
  E'Say of which events one wants to be told\n'
  'event_type: entity.what_happened. is_on: true, also where no rule says so; false, never; null or left out, as the rules '
  'say. user_id: somebody else, with core.notification.assign. Events that the user may not read are not told anyway. '
  'Errors: core.permission_missing (403), core.not_found (404), events.type_unknown (422).';

grant execute on function api.notification_preference_put(text, boolean, uuid) to member, partner;
