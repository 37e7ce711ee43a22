-- What the server knows of the devices of a user.

create or replace function api.sync_status(device uuid default null)
returns jsonb
language sql
stable
parallel safe
as $$
  select jsonb_build_object(
    'server_time', now(),
    'devices', coalesce(
      jsonb_agg(
        jsonb_build_object(
          'device', d.device,
          'name', d.name,
          'timestamp', d.point,
          'schema_version', d.schema_version,
          'has_more', d.seen_xid is null,
          'pulled_at', d.pulled_at,
          'pushed_at', d.pushed_at,
          'rows', (
            select coalesce(jsonb_object_agg(h.table_name, h.held), '{}')
            from (
              select h.table_name, count(*) as held
              from events.sync_held as h
              where h.org_id = d.org_id and h.device_id = d.id and h.gone_point is null
              group by h.table_name
            ) as h
          ),
          'commands', (
            select coalesce(jsonb_object_agg(c.outcome, c.sent), '{}')
            from (
              select c.outcome, count(*) as sent
              from events.sync_command as c
              where c.org_id = d.org_id and c.device_id = d.id and not c.is_dismissed
              group by c.outcome
            ) as c
          ),
          'refusals', (select count(*) from events.sync_refusal as f where f.org_id = d.org_id and f.device_id = d.id)
        )
        order by d.id
      ),
      '[]'
    )
  )
  from events.sync_device as d
  where d.org_id = (select core.org_id())
    and d.user_id = (select core.user_id())
    and (sync_status.device is null or d.device = sync_status.device);
$$;

comment on function api.sync_status(uuid) is
  E'The devices of the caller\n'
  'Of each: the cursor (timestamp), when it pulled and pushed, how many rows of which table it holds, outcomes of its commands, '
  'how many of its drafts are refused, and whether there is more to pull at once (has_more).';

grant execute on function api.sync_status(uuid) to member, partner;
