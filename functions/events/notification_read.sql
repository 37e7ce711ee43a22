-- Read marks of notifications.

create or replace function api.notification_read(ids uuid[])
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_unknown uuid;
  v_read bigint;
begin
  select i
  into v_unknown
  from unnest(notification_read.ids) as i
  where not exists (
    select
    from events.notification as n
    where n.org_id = core.org_id() and n.user_id = core.user_id() and n.event_id = i
  )
  limit 1;
  if found then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'notification', 'id', v_unknown));
  end if;
  update events.notification as n
  set read_at = now()
  where n.org_id = core.org_id()
    and n.user_id = core.user_id()
    and n.event_id = any (notification_read.ids)
    and n.read_at is null;
  get diagnostics v_read = row_count;
  return jsonb_build_object('read', v_read);
end
$$;

comment on function api.notification_read(uuid[]) is
  E'Mark notifications as read\n'
  'ids: of one''s own notifications. Returns read, how many of them were unread. Errors: core.not_found (404), and then '
  'none is marked.';

grant execute on function api.notification_read(uuid[]) to member, partner;
