-- The parts of a push: drafts, commands, and what the device tidies up.

create or replace function events.apply_sync_drafts(target events.sync_device, changes jsonb, max_count integer)
returns table (table_name text, row_text text, problem jsonb)
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_draft record;
  v_problem jsonb;
begin
  for v_draft in
    select
      p.root_table,
      p.root_id,
      t.push_function,
      row_number() over (order by min(t.sort_order), min(p.n)) as place,
      jsonb_path_query_first(
        jsonb_agg(p.content order by p.n) filter (where p.push_kind = 'DRAFT' and not p.is_deleted), '$[0]'
      ) as content,
      coalesce(bool_or(p.is_deleted) filter (where p.push_kind = 'DRAFT'), false) as is_deleted,
      coalesce(
        jsonb_agg(jsonb_build_object('table', p.table_name, 'id', p.row_id, 'content', p.content) order by p.n)
        filter (where p.push_kind = 'LINE'),
        '[]'
      ) as lines,
      array_agg(p.table_name order by p.n) as tables,
      array_agg(p.row_id order by p.n) as rows,
      array_agg(p.row_text order by p.n) as texts,
      array_agg(p.is_deleted order by p.n) as gone
    from events.read_sync_push(target.id, apply_sync_drafts.changes) as p
    join core.sync_table as t on t.name = p.root_table
    where p.push_kind in ('DRAFT', 'LINE')
      and p.row_id is not null
      and p.root_id is not null
    group by p.root_table, p.root_id, t.push_function
    order by place
  loop
    v_problem := '{}';
    if v_draft.place <= max_count then
      v_problem := events.try_sync_draft(
        v_draft.push_function, v_draft.root_id, v_draft.content, v_draft.is_deleted, v_draft.lines
      );
    end if;
    if v_problem is not null then
      return query
      select x.name, x.text, v_problem
      from unnest(v_draft.tables, v_draft.texts) as x (name, text);
    else
      -- What the device has now is known when it comes back; until then, what it pushed is no conflict.
      delete from events.sync_held as h
      using unnest(v_draft.tables, v_draft.rows, v_draft.gone) as x (name, id, is_gone)
      where h.org_id = target.org_id
        and h.device_id = target.id
        and h.table_name = x.name
        and h.row_id = x.id
        and (x.is_gone or v_draft.is_deleted);
      insert into events.sync_held as h (device_id, table_name, row_id, parent_id, pushed_hash, first_point, last_point)
      select target.id, n.name, s.row_id, s.parent_id, s.hash, target.point, target.point
      from (
        select x.name, array_agg(x.id) as ids
        from unnest(v_draft.tables, v_draft.rows, v_draft.gone) as x (name, id, is_gone)
        where not x.is_gone
        group by x.name
      ) as n
      cross join lateral events.sync_hashes(
        target.id, target.schema_version, n.name, n.ids, array[v_draft.root_id]
      ) as s
      on conflict on constraint sync_held_pkey do update
      set
        parent_id = excluded.parent_id,
        hash = null,
        pushed_hash = excluded.pushed_hash;
    end if;
    if v_problem is distinct from '{}' then
      perform events.keep_sync_refusal(target.id, v_draft.root_table, v_draft.root_id, v_problem);
    end if;
  end loop;
end
$$;

comment on function events.apply_sync_drafts(events.sync_device, jsonb, integer) is
  'Write the first drafts of a push, each with its lines in a savepoint; returns the rows that were refused with the reason, '
  'those that must wait with an empty one';

create or replace function events.keep_sync_refusal(device_id uuid, table_name text, row_id uuid, problem jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  if problem is null then
    delete from events.sync_refusal as f
    where f.org_id = core.org_id()
      and f.device_id = keep_sync_refusal.device_id
      and f.table_name = keep_sync_refusal.table_name
      and f.row_id = keep_sync_refusal.row_id;
  else
    insert into events.sync_refusal as f (device_id, table_name, row_id, code, message, hint, details)
    values (
      keep_sync_refusal.device_id, keep_sync_refusal.table_name, keep_sync_refusal.row_id, problem ->> 'code',
      problem ->> 'message', problem ->> 'hint', problem ->> 'details'
    )
    on conflict on constraint row_refused_once do update
    set
      code = excluded.code,
      message = excluded.message,
      hint = excluded.hint,
      details = excluded.details,
      refused_at = now()
    where (f.code, f.message, f.hint, f.details)
      is distinct from (excluded.code, excluded.message, excluded.hint, excluded.details);
  end if;
end
$$;

comment on function events.keep_sync_refusal(uuid, text, uuid, jsonb) is
  'Note why a draft of a device was refused; with null, that it was not';

create or replace function events.apply_sync_commands(target events.sync_device, changes jsonb, max_count integer)
returns text[]
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_command record;
  v_outcome jsonb;
  v_waiting text[] := '{}';
  v_is_known boolean;
  v_left integer := apply_sync_commands.max_count;
begin
  for v_command in
    select p.row_id, p.row_text, p.content, s.sequence
    from events.read_sync_push(target.id, apply_sync_commands.changes) as p
    cross join lateral (
      select case when p.content ->> 'sequence' ~ '^-?\d{1,15}(\.\d+)?$' then (p.content ->> 'sequence')::numeric::bigint end
    ) as s (sequence)
    where p.push_kind = 'COMMAND'
      and not p.is_deleted
      and p.row_id is not null
    order by s.sequence nulls last, p.n
  loop
    v_is_known := exists (
      select from events.sync_command as c where c.org_id = target.org_id and c.id = v_command.row_id
    );
    if v_left = 0 and not v_is_known then
      v_waiting := array_append(v_waiting, v_command.row_text);
      continue;
    end if;
    -- The device has the command and lacks its outcome.
    insert into events.sync_held (device_id, table_name, row_id, first_point, last_point)
    select target.id, t.name, v_command.row_id, target.point, target.point
    from core.sync_table as t
    where t.push_kind = 'COMMAND'
    on conflict on constraint sync_held_pkey do update
    set hash = null;
    -- One that came before was executed then.
    continue when v_is_known;
    v_left := v_left - 1;
    v_outcome := events.try_sync_command(v_command.content ->> 'function', v_command.content ->> 'arguments');
    insert into events.sync_command (
      id, device_id, function, arguments, sequence, outcome, code, message, hint, details, result
    )
    values (
      v_command.row_id, target.id, coalesce(v_command.content ->> 'function', ''),
      coalesce(v_command.content ->> 'arguments', ''), v_command.sequence,
      case when v_outcome ? 'result' then 'DONE' else 'REFUSED' end,
      v_outcome ->> 'code', v_outcome ->> 'message', v_outcome ->> 'hint', v_outcome ->> 'details', v_outcome -> 'result'
    );
  end loop;
  return v_waiting;
end
$$;

comment on function events.apply_sync_commands(events.sync_device, jsonb, integer) is
  'Execute the commands of a push in the order of their sequence, each in a savepoint, unless they were before; returns the '
  'ids of those that must wait';

create or replace function events.apply_sync_removals(target events.sync_device, changes jsonb)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_names text[];
  v_ids uuid[];
begin
  select array_agg(p.table_name), array_agg(p.row_id)
  into v_names, v_ids
  from events.read_sync_push(target.id, apply_sync_removals.changes) as p
  where p.push_kind in ('COMMAND', 'DISMISS')
    and p.is_deleted;
  update events.sync_command as c
  set is_dismissed = true
  where c.org_id = target.org_id
    and c.device_id = target.id
    and c.id = any (v_ids);
  delete from events.sync_refusal as f
  where f.org_id = target.org_id
    and f.device_id = target.id
    and f.id = any (v_ids);
  delete from events.sync_held as h
  using unnest(v_names, v_ids) as x (name, id)
  where h.org_id = target.org_id
    and h.device_id = target.id
    and h.table_name = x.name
    and h.row_id = x.id;
end
$$;

comment on function events.apply_sync_removals(events.sync_device, jsonb) is
  'Take out of sight the commands and refusals that the device removed';

grant execute on function events.apply_sync_drafts(events.sync_device, jsonb, integer) to member, partner;
grant execute on function events.keep_sync_refusal(uuid, text, uuid, jsonb) to member, partner;
grant execute on function events.apply_sync_commands(events.sync_device, jsonb, integer) to member, partner;
grant execute on function events.apply_sync_removals(events.sync_device, jsonb) to member, partner;
