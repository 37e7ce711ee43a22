-- What was done on a device while it was away.

create or replace function api.sync_push(device uuid, changes jsonb, last_pulled_at bigint)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  -- 64 subtransactions of one transaction are cheap; with more of them every session of the server slows down.
  v_limit constant integer := 30;
  v_device events.sync_device;
  v_conflicts jsonb;
  v_problems jsonb;
  v_waiting text[];
  v_has_waiting boolean;
begin
  v_device := events.lock_sync_device(sync_push.device);
  if v_device.point = 0 or v_device.point is distinct from sync_push.last_pulled_at then
    perform core.raise_error(
      'events.sync_behind', jsonb_build_object('last_pulled_at', sync_push.last_pulled_at, 'current', v_device.point)
    );
  end if;
  -- Who pushes on top of an answer has applied it.
  v_device.confirmed_point := v_device.point;
  delete from events.sync_held as h
  where h.org_id = v_device.org_id
    and h.device_id = v_device.id
    and h.gone_point is not null;

  perform events.lock_sync_drafts(v_device.id, sync_push.changes);
  select jsonb_object_agg(c.table_name, c.ids)
  into v_conflicts
  from (
    select f.table_name, jsonb_agg(f.row_id) as ids
    from events.find_sync_conflicts(v_device.id, v_device.schema_version, sync_push.changes) as f
    join events.read_sync_push(v_device.id, sync_push.changes) as p on p.table_name = f.table_name and p.row_id = f.row_id
    -- To remove what is gone is no conflict.
    where not (f.is_missing and p.is_deleted)
    group by f.table_name
  ) as c;
  if v_conflicts is not null then
    perform core.raise_error('events.sync_conflict', jsonb_build_object('rows', v_conflicts));
  end if;

  with refused as (
    select d.table_name, d.row_text, d.problem
    from events.apply_sync_drafts(v_device, sync_push.changes, v_limit) as d
    union all
    -- What can be nothing at all.
    select
      p.table_name,
      p.row_text,
      core.word_error(
        case
          when p.push_kind = 'UNKNOWN' then 'events.sync_table'
          when p.row_id is null then 'events.sync_id'
          when p.push_kind = 'LINE' then 'events.sync_line'
          else 'events.sync_read_only'
        end,
        jsonb_build_object('table', p.table_name, 'id', p.row_text)
      ) -> 'body'
    from events.read_sync_push(v_device.id, sync_push.changes) as p
    where p.push_kind in ('NONE', 'UNKNOWN')
      or (p.push_kind = 'DISMISS' and not p.is_deleted)
      or (p.row_id is null and not p.is_deleted)
      or (p.push_kind = 'LINE' and p.root_id is null and not p.is_deleted)
  )
  select coalesce(jsonb_agg(jsonb_build_object('table', r.table_name, 'id', r.row_text, 'problem', r.problem)), '[]')
  into v_problems
  from refused as r;

  v_has_waiting := jsonb_path_exists(v_problems, '$[*] ? (!exists (@.problem.code))');
  -- Commands may need drafts that wait.
  v_waiting := events.apply_sync_commands(v_device, sync_push.changes, case when v_has_waiting then 0 else v_limit end);
  v_has_waiting := v_has_waiting or cardinality(v_waiting) > 0;
  v_problems := v_problems || coalesce(
    (
      select jsonb_agg(jsonb_build_object('table', t.name, 'id', w.id, 'problem', '{}'::jsonb))
      from core.sync_table as t
      cross join unnest(v_waiting) as w (id)
      where t.push_kind = 'COMMAND'
    ),
    '[]'
  );
  perform events.apply_sync_removals(v_device, sync_push.changes);

  update events.sync_device as d
  set
    confirmed_point = v_device.confirmed_point,
    pushed_at = now()
  where d.org_id = v_device.org_id
    and d.id = v_device.id;
  return jsonb_build_object(
    'experimentalRejectedIds',
    coalesce(
      (
        select jsonb_object_agg(r.name, r.ids)
        from (
          select p.problem ->> 'table' as name, jsonb_agg(p.problem -> 'id') as ids
          from jsonb_array_elements(v_problems) as p (problem)
          group by 1
        ) as r
      ),
      '{}'
    ),
    'refusals',
    coalesce(
      (
        select jsonb_agg((p.problem - 'problem') || (p.problem -> 'problem'))
        from jsonb_array_elements(v_problems) as p (problem)
        where p.problem -> 'problem' <> '{}'
      ),
      '[]'
    ),
    'has_more', v_has_waiting
  );
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('events.sync_busy');
end
$$;

comment on function api.sync_push(uuid, jsonb, bigint) is
  E'What was done on a device while it was away\n'
  'The push of WatermelonDB. changes: {table: {created, updated, deleted}}; last_pulled_at: the timestamp of the last pull. '
  'Each draft and each command stands for itself: what is refused is named in experimentalRejectedIds (the device keeps it) '
  'and, with the reason, in refusals; commands tell their outcome with the next pull. A command is executed once, however '
  'often it comes. At most 30 drafts and 30 commands are taken at once (has_more: synchronize again). Errors: '
  'events.sync_malformed (400); events.sync_behind, events.sync_conflict (409): pull, then push again; events.sync_busy (503).';

grant execute on function api.sync_push(uuid, jsonb, bigint) to member, partner;
