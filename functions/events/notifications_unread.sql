-- How many notifications wait.

create or replace function api.notifications_unread()
returns jsonb
language sql
stable
parallel safe
begin atomic
  select jsonb_build_object('unread', least(count(*), 1000), 'is_more', count(*) > 1000)
  from (
    select
    from events.notification as n
    where n.org_id = (select core.org_id()) and n.user_id = (select core.user_id()) and n.read_at is null
    -- lint: allow sqlfluff.AM09: they are counted, whichever they are
    limit 1001
  ) as t;
end;

comment on function api.notifications_unread() is
  E'Count unread notifications\n'
  'Returns unread, up to 1000, and is_more when there are more.';

grant execute on function api.notifications_unread() to member, partner;
