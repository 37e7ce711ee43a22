-- Removes what notifications and webhooks leave behind.

create or replace function events.purge_delivered()
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_notifications bigint;
  v_deliveries bigint;
begin
  delete from events.notification as n
  where n.event_id < core.uuid_floor(now() - interval '365 days')
    or (n.event_id < core.uuid_floor(now() - interval '90 days') and n.read_at is not null);
  get diagnostics v_notifications = row_count;
  delete from events.webhook_delivery as d
  where d.finished_at < now() - case d.state when 'DEAD' then interval '90 days' else interval '30 days' end;
  get diagnostics v_deliveries = row_count;
  return jsonb_build_object('notifications', v_notifications, 'deliveries', v_deliveries);
end
$$;

comment on function events.purge_delivered() is
  'Delete notifications after a year, read ones after 90 days; deliveries and the log of their attempts after 30 days, '
  'dead ones after 90. Returns how many of each. To be run daily.';

grant execute on function events.purge_delivered() to worker, migrator;
