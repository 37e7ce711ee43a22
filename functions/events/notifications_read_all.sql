-- Marks everything as read.

create or replace function api.notifications_read_all(until uuid default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_read bigint;
begin
  if notifications_read_all.until is not null and not exists (
    select
    from events.notification as n
    where n.org_id = core.org_id() and n.user_id = core.user_id() and n.event_id = notifications_read_all.until
  ) then
    perform core.raise_error(
      'core.not_found', jsonb_build_object('entity', 'notification', 'id', notifications_read_all.until)
    );
  end if;
  update events.notification as n
  set read_at = now()
  where n.org_id = core.org_id()
    and n.user_id = core.user_id()
    and n.read_at is null
    and (notifications_read_all.until is null or n.event_id <= notifications_read_all.until);
  get diagnostics v_read = row_count;
  return jsonb_build_object('read', v_read);
end
$$;

comment on function api.notifications_read_all(uuid) is
  E'Mark all notifications as read\n'
  'until: the newest that the user has seen, so that what came meanwhile stays unread. Returns read, how many there were. '
  'Errors: core.not_found (404: until is no notification of the user).';

grant execute on function api.notifications_read_all(uuid) to member, partner;
