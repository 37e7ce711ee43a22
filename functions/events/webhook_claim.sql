-- Gives the worker a webhook to serve.

create or replace function events.webhook_claim()
returns table (
  org_id uuid,
  id uuid,
  url text,
  user_id uuid,
  secret text,
  old_secret text,
  may_be_served boolean
)
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org_id uuid;
  v_id uuid;
begin
  for v_org_id, v_id in
    select s.org_id, s.webhook_id
    from events.webhook_state as s
    join events.webhook as w on w.org_id = s.org_id and w.id = s.webhook_id and w.is_active
    where s.resume_at <= clock_timestamp()
      and exists (
        select
        from events.webhook_delivery as d
        where d.org_id = s.org_id
          and d.webhook_id = s.webhook_id
          and d.state = 'WAITING'
          and d.next_attempt_at <= clock_timestamp()
      )
    order by s.last_turn_at
  loop
    -- By the session, so that no transaction is open while somebody else's server thinks: it would hold up the feed.
    if not pg_try_advisory_lock(ops.lock_key('webhook', v_id)) then
      continue;
    end if;
    update events.webhook_state as s
    set last_turn_at = clock_timestamp()
    where s.org_id = v_org_id and s.webhook_id = v_id and s.resume_at <= clock_timestamp();
    if found then
      return query
        select
          w.org_id,
          w.id,
          w.url,
          w.user_id,
          w.secret,
          case when w.old_secret_until > clock_timestamp() then w.old_secret end,
          exists (
            select
            from core.membership as m
            join core.app_user as u on u.id = m.user_id and u.is_active
            join core.organization as o on o.id = m.org_id and o.is_active
            where m.org_id = w.org_id and m.user_id = w.user_id and m.is_active and m.kind = 'INTERNAL'
          )
        from events.webhook as w
        where w.org_id = v_org_id and w.id = v_id and w.is_active;
      if found then
        return;
      end if;
    end if;
    perform pg_advisory_unlock(ops.lock_key('webhook', v_id));
  end loop;
end
$$;

comment on function events.webhook_claim() is
  'Take the webhook that has waited longest for its turn and has something to send, for this session; no row: there is '
  'none. The session holds an advisory lock on it until it unlocks or ends, so that one sender serves it at a time.';

grant execute on function events.webhook_claim() to worker;
