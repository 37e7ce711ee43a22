-- What a device pushes, as rows.

create or replace function events.read_sync_push(device_id uuid, changes jsonb)
returns table (
  n bigint,
  sort_order integer,
  table_name text,
  push_kind text,
  row_text text,
  row_id uuid,
  root_table text,
  root_id uuid,
  content jsonb,
  is_deleted boolean
)
language plpgsql
stable
parallel safe
as $$
declare
  v_id constant text := '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
begin
  if not coalesce(
    jsonb_typeof(changes) = 'object'
    and not jsonb_path_exists(changes, 'strict $.* ? (@.type() != "object")')
    and not jsonb_path_exists(changes, 'strict $.*.* ? (@.type() != "array")')
    and not jsonb_path_exists(changes, 'lax $.*.created[*] ? (!(@.id.type() == "string"))')
    and not jsonb_path_exists(changes, 'lax $.*.updated[*] ? (!(@.id.type() == "string"))')
    and not jsonb_path_exists(changes, 'lax $.*.deleted[*] ? (@.type() != "string")'),
    false
  ) then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'changes'));
  end if;

  return query
  with given as (
    -- What was created and what was updated is the same: after a lost answer a device cannot know.
    select
      c.name,
      a.kind,
      e.value,
      row_number() over (order by t.sort_order, array_position(array['created', 'updated', 'deleted'], a.kind), e.place) as n,
      t.sort_order,
      coalesce(t.push_kind, 'UNKNOWN') as push_kind,
      t.parent_table,
      t.parent_column,
      case a.kind when 'deleted' then e.value #>> '{}' else e.value ->> 'id' end as row_text
    from jsonb_each(read_sync_push.changes) as c (name, sets)
    cross join lateral jsonb_each(c.sets) as a (kind, list)
    cross join lateral jsonb_array_elements(a.list) with ordinality as e (value, place)
    left join core.sync_table as t on t.name = c.name
    where a.kind in ('created', 'updated', 'deleted')
  ),
  keyed as (
    select
      g.*,
      case when g.row_text ~ v_id then g.row_text::uuid end as row_id,
      case when g.value ->> g.parent_column ~ v_id then (g.value ->> g.parent_column)::uuid end as parent_id
    from given as g
  )
  select
    k.n,
    k.sort_order,
    k.name,
    k.push_kind,
    k.row_text,
    k.row_id,
    case k.push_kind when 'LINE' then k.parent_table else k.name end,
    case k.push_kind
      when 'LINE' then coalesce(
        k.parent_id,
        -- Of a row that was removed the device says no more than its id.
        (
          select h.parent_id
          from events.sync_held as h
          where h.org_id = core.org_id()
            and h.device_id = read_sync_push.device_id
            and h.table_name = k.name
            and h.row_id = k.row_id
        )
      )
      else k.row_id
    end,
    case
      when k.kind <> 'deleted' then (
        -- A column of a device that may not be null is empty instead.
        select coalesce(jsonb_object_agg(c.name, nullif(k.value -> c.name, '""')), '{}')
        from core.sync_column as c
        where c.table_name = k.name
          and c.is_written
      )
    end,
    k.kind = 'deleted'
  from keyed as k;
end
$$;

comment on function events.read_sync_push(uuid, jsonb) is
  'The rows of a push in the order in which they are applied, with the draft that each belongs to (root) and the values of '
  'the columns that a device may write. Raises events.sync_malformed (400).';

grant execute on function events.read_sync_push(uuid, jsonb) to member, partner;
