-- What changed for a device since its last pull.

create or replace function api.sync_pull(
  device uuid,
  last_pulled_at bigint default null,
  schema_version integer default 1,
  migration jsonb default null,
  tables text[] default null,
  max_rows integer default 5000,
  device_name text default null
)
returns json
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_device events.sync_device;
  v_tables text[];
  v_rights text;
  v_since xid8;
  v_seen xid8;
  v_point bigint;
  v_confirmed bigint;
  v_is_replaced boolean := false;
  v_all bigint;
  v_sent bigint;
  v_changes text;
begin
  if max_rows is null or max_rows not between 1 and 10000 then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'max_rows'));
  elsif schema_version is null or schema_version < 1 then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'schema_version'));
  elsif migration is not null and migration <> 'null'
    and not coalesce(
      jsonb_typeof(migration -> 'tables') = 'array'
      and not jsonb_path_exists(migration, 'strict $.tables[*] ? (@.type() != "string")')
      and jsonb_typeof(migration -> 'columns') = 'array'
      and not jsonb_path_exists(migration, 'lax $.columns[*] ? (!(@.table.type() == "string"))'),
      false
    )
  then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'migration'));
  elsif exists (
    select from unnest(sync_pull.tables) as n (name) where not exists (select from core.sync_table as t where t.name = n.name)
  ) then
    perform core.raise_error('events.sync_malformed', jsonb_build_object('what', 'tables'));
  end if;
  select coalesce(array_agg(t.name order by t.sort_order), '{}')
  into v_tables
  from core.sync_table as t
  where t.since_version <= sync_pull.schema_version
    and (sync_pull.tables is null or t.name = any (sync_pull.tables));

  -- A number of its own before the snapshot is taken: then no number at or above the snapshot's xmin is given again after a
  -- crash that this transaction survives (docs/adr/0013).
  perform pg_current_xact_id();
  v_device := events.lock_sync_device(sync_pull.device, sync_pull.device_name);

  if sync_pull.last_pulled_at is null then
    delete from events.sync_held as h where h.org_id = v_org and h.device_id = v_device.id;
  elsif sync_pull.last_pulled_at = v_device.point and v_device.point > 0 then
    -- The last answer arrived.
    v_confirmed := v_device.point;
    v_since := v_device.seen_xid;
    delete from events.sync_held as h
    where h.org_id = v_org
      and h.device_id = v_device.id
      and h.gone_point is not null;
  elsif sync_pull.last_pulled_at = v_device.confirmed_point then
    -- It was lost: the device is where it was before.
    v_confirmed := v_device.confirmed_point;
    delete from events.sync_held as h
    where h.org_id = v_org
      and h.device_id = v_device.id
      and h.first_point > v_confirmed;
    update events.sync_held as h
    set
      hash = null,
      pushed_hash = null,
      gone_point = null
    where h.org_id = v_org
      and h.device_id = v_device.id
      and (h.last_point > v_confirmed or h.gone_point > v_confirmed);
  else
    -- Nobody knows what it holds: it was reset, forgotten, or this database was restored.
    delete from events.sync_held as h where h.org_id = v_org and h.device_id = v_device.id;
    v_is_replaced := true;
  end if;

  v_rights := events.sync_rights(sync_pull.schema_version, v_tables);
  if v_rights is distinct from v_device.rights then
    v_since := null;
    delete from events.sync_held as h
    where h.org_id = v_org
      and h.device_id = v_device.id
      and h.table_name <> all (v_tables);
  end if;
  if migration <> 'null' then
    v_since := null;
    delete from events.sync_held as h
    where h.org_id = v_org
      and h.device_id = v_device.id
      and sync_pull.migration -> 'tables' ? h.table_name;
    update events.sync_held as h
    set hash = null
    where h.org_id = v_org
      and h.device_id = v_device.id
      and h.table_name in (select c.change ->> 'table' from jsonb_array_elements(sync_pull.migration -> 'columns') as c (change));
  end if;

  v_point := greatest(v_device.point, coalesce(sync_pull.last_pulled_at, 0)) + 1;
  -- One statement, hence one snapshot: what is read, what is noted, and up to where events have been seen.
  with differences as materialized (
    select
      d.*,
      row_number() over w as n,
      sum(coalesce(octet_length(d.data), 40) + 1) over w as bytes
    from events.sync_differences(v_device.id, sync_pull.schema_version, v_tables, v_since) as d
    window w as (order by d.sort_order, d.row_id)
  ),
  sent as materialized (
    select d.* from differences as d where d.n = 1 or (d.n <= sync_pull.max_rows and d.bytes <= 8000000)
  ),
  -- Rows that go are there: they are found by their key, like the others, and not by a join over all that the device holds.
  noted as (
    insert into events.sync_held as h (
      device_id, table_name, row_id, parent_id, hash, first_point, last_point, gone_point
    )
    select
      v_device.id, s.table_name, s.row_id, s.parent_id, s.hash, v_point, v_point, case s.kind when 'deleted' then v_point end
    from sent as s
    on conflict on constraint sync_held_pkey do update
    set
      parent_id = case when excluded.gone_point is null then excluded.parent_id else h.parent_id end,
      hash = case when excluded.gone_point is null then excluded.hash else h.hash end,
      pushed_hash = case when excluded.gone_point is not null then h.pushed_hash end,
      last_point = excluded.last_point,
      gone_point = excluded.gone_point
  ),
  by_table as (
    select
      s.table_name,
      string_agg(s.data, ',' order by s.n) filter (where s.kind = 'created') as created,
      string_agg(s.data, ',' order by s.n) filter (where s.kind = 'updated') as updated,
      string_agg('"' || s.row_id || '"', ',' order by s.n) filter (where s.kind = 'deleted') as deleted
    from sent as s
    group by s.table_name
  )
  select
    (select count(*) from differences),
    (select count(*) from sent),
    pg_snapshot_xmin(pg_current_snapshot()),
    (
      select string_agg(
        format('%s:{"created":[%s],"updated":[%s],"deleted":[%s]}', to_json(t.name), b.created, b.updated, b.deleted),
        ',' order by t.sort_order
      )
      from core.sync_table as t
      left join by_table as b on b.table_name = t.name
      where t.name = any (v_tables)
    )
  into v_all, v_sent, v_seen, v_changes;

  if v_sent = 0 and not v_is_replaced and sync_pull.last_pulled_at is not null then
    v_point := v_device.point;
  end if;
  update events.sync_device as d
  set
    point = v_point,
    confirmed_point = v_confirmed,
    -- What did not fit into this answer, the next pull finds by comparing all.
    seen_xid = case when v_sent = v_all then v_seen end,
    rights = v_rights,
    schema_version = sync_pull.schema_version,
    name = coalesce(left(sync_pull.device_name, 100), d.name),
    pulled_at = now()
  where d.org_id = v_org
    and d.id = v_device.id;

  return concat(
    '{"changes":{', v_changes, '},"timestamp":', v_point, ',"has_more":', (v_sent < v_all)::text,
    case when v_is_replaced then ',"experimentalStrategy":"replacement"' end, '}'
  )::json;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('events.sync_busy');
end
$$;

comment on function api.sync_pull(uuid, bigint, integer, jsonb, text[], integer, text) is
  E'What a device has to change to hold what its user sees\n'
  'The pull of WatermelonDB. device: a UUID that the device made with its database; last_pulled_at: the timestamp of the last '
  'answer that was applied, null at first; schema_version, migration: as WatermelonDB gives them; tables: those that the app '
  'has, left out: all of /sync_tables. Returns changes, timestamp (a cursor, no time) and has_more: pull again. Rows come by '
  'max_rows (1 to 10000) and 8 MB. Errors: events.sync_malformed (400), events.sync_too_many_devices (409), events.sync_busy '
  '(503).';

grant execute on function api.sync_pull(uuid, bigint, integer, jsonb, text[], integer, text) to member, partner;
