-- What somebody counted.

create or replace function api.wms_count_record(
  id uuid,
  position_id uuid,
  item_id uuid,
  counted numeric,
  lot_id uuid default null,
  unit_code text default null,
  reason text default null
)
returns api.wms_count_lines
language plpgsql
volatile
parallel unsafe
-- definer: lines and expectations are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_count wms.count_session;
  v_item core.item;
  v_line wms.count_line;
  v_counted numeric;
  v_quantity numeric;
  v_mark uuid;
  v_row api.wms_count_lines;
begin
  perform core.require_permission('wms.count.record');
  -- Shared: many count at once, but nobody ends the count meanwhile.
  select c.*
  into v_count
  from wms.count_session as c
  where c.org_id = v_org
    and c.id = wms_count_record.id
  for share;
  if not found then
    perform core.raise_error('wms.count_not_found', jsonb_build_object('id', wms_count_record.id));
  elsif v_count.status not in ('COUNTING', 'INVESTIGATING') then
    perform core.raise_error('wms.count_status', jsonb_build_object('id', v_count.id, 'status', v_count.status));
  elsif v_count.assigned <> '{}' and core.user_id() <> all (v_count.assigned) then
    perform core.raise_error('wms.count_not_assigned', jsonb_build_object('id', v_count.id));
  end if;

  v_item := wms.require_item(wms_count_record.item_id, wms_count_record.lot_id);
  if not wms.is_in_scope(v_count, wms_count_record.position_id, v_item) then
    perform core.raise_error(
      'wms.count_out_of_scope', jsonb_build_object('item', v_item.sku, 'position_id', wms_count_record.position_id)
    );
  elsif wms_count_record.counted is null or wms_count_record.counted < 0 or wms_count_record.counted = 'NaN' then
    perform core.raise_error('wms.counted_negative');
  end if;
  v_counted := round(
    core.convert(
      wms_count_record.counted, coalesce(wms_count_record.unit_code, v_item.unit_code), v_item.unit_code, v_item.id
    ),
    6
  );

  if not exists (
    select
    from wms.count_line as l
    where l.org_id = v_org
      and l.count_id = v_count.id
      and l.position_id = wms_count_record.position_id
      and l.item_id = v_item.id
      and l.lot_id is not distinct from wms_count_record.lot_id
  ) then
    perform wms.hold_counts(v_count.warehouse_id, true); -- it comes on the list now
  end if;
  -- The balance first, as everybody: under its lock the ledger ends here.
  v_quantity := wms.lock_balance(v_count.warehouse_id, position_id, v_item.id, lot_id);
  v_mark := uuidv7();

  select l.*
  into v_line
  from wms.count_line as l
  where l.org_id = v_org
    and l.count_id = v_count.id
    and l.position_id = wms_count_record.position_id
    and l.item_id = v_item.id
    and l.lot_id is not distinct from wms_count_record.lot_id
  for update;
  if not found then
    v_line := wms.find_uncounted(v_count, wms_count_record.position_id, v_item.id, wms_count_record.lot_id, v_quantity);
  elsif v_line.count_index < v_count.count_index then
    perform core.raise_error('wms.count_line_done', jsonb_build_object('item', v_item.sku));
  end if;

  update wms.count_line as l
  set
    counted = v_counted,
    counted_at = now(),
    counted_by = core.user_id(),
    counters = array_append(array_remove(l.counters, core.user_id()), core.user_id()),
    reason = coalesce(nullif(btrim(wms_count_record.reason), ''), l.reason)
  where l.org_id = v_org
    and l.id = v_line.id;
  update wms.count_expectation as e
  set
    expected_at_count = v_quantity,
    count_mark = v_mark
  where e.org_id = v_org
    and e.line_id = v_line.id;

  select l.* into v_row from api.wms_count_lines as l where l.org_id = v_org and l.id = v_line.id;
  -- This function runs as owner, whom the policy of wms.count_expectation does not hold back: a blind count stays blind.
  if v_count.is_blind then
    v_row.expected := null;
    v_row.moved := null;
    v_row.expected_at_count := null;
    v_row.difference := null;
  end if;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_record(uuid, uuid, uuid, numeric, uuid, text, text) is
  'Record what was counted of an item (and lot) at a position
The total that lies there, also what is packed or reserved. What is not on the list and is found nevertheless is added to it.
Until the count is finished a line may be counted again. In a recount only the lines that are to be counted again are
taken (wms.count_line_done, 409). A count that others are assigned to is theirs (wms.count_not_assigned, 403). Needs
wms.count.record.';

grant execute on function api.wms_count_record(uuid, uuid, uuid, numeric, uuid, text, text)
to member, superadmin, migrator;

create or replace function wms.is_in_scope(count wms.count_session, position_id uuid, item core.item)
returns boolean
language sql
stable
parallel safe
return exists (
  select
  from core.location as p
  inner join core.location as w
    on w.org_id = p.org_id
    and w.id = (is_in_scope.count).warehouse_id
  where p.org_id = (is_in_scope.count).org_id
    and p.id = is_in_scope.position_id
    and wms.is_position_of(p.kind, p.path, w.path)
    and ((is_in_scope.count).zone is null or p.zone = (is_in_scope.count).zone)
    and ((is_in_scope.count).item_id is null or (is_in_scope.item).id = (is_in_scope.count).item_id)
    and ((is_in_scope.count).item_class is null or (is_in_scope.item).class = (is_in_scope.count).item_class)
    and (
      (is_in_scope.count).position_id is null
      or p.path operator (public.<@) (
        select s.path
        from core.location as s
        where s.org_id = (is_in_scope.count).org_id
          and s.id = (is_in_scope.count).position_id
      )
    )
);

comment on function wms.is_in_scope(wms.count_session, uuid, core.item) is
  'Whether a count is about an item at a position';

create or replace function wms.find_uncounted(
  count wms.count_session,
  position_id uuid,
  item_id uuid,
  lot_id uuid,
  quantity numeric
)
returns wms.count_line
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_line wms.count_line;
  v_mark uuid;
  v_moved numeric;
begin
  if exists (
    select
    from wms.adjustment as a
    where a.org_id = count.org_id
      and a.item_id = find_uncounted.item_id
      and a.position_id = find_uncounted.position_id
      and a.lot_id is not distinct from find_uncounted.lot_id
      and a.status = 'PENDING'
  ) then
    perform core.raise_error(
      'wms.adjustment_pending',
      jsonb_build_object(
        'item', (select i.sku from core.item as i where i.org_id = count.org_id and i.id = find_uncounted.item_id)
      )
    );
  end if;

  begin
    insert into wms.count_line (org_id, count_id, position_id, item_id, lot_id, is_found, count_index)
    values (
      count.org_id, count.id, find_uncounted.position_id, find_uncounted.item_id, find_uncounted.lot_id, true,
      count.count_index
    )
    returning * into v_line;
  exception
    when unique_violation then
      perform core.raise_error('wms.count_overlaps');
  end;

  -- What was expected at the start: what is there now, less what the ledger has moved since.
  v_mark := coalesce(
    (
      select min(e.start_mark::text)::uuid
      from wms.count_expectation as e
      where e.org_id = count.org_id
        and e.count_id = count.id
    ),
    core.uuid_floor(count.started_at)
  );
  v_moved := (
    select coalesce(sum(s.delta), 0)
    from wms.stock_ledger as s
    where s.org_id = count.org_id
      and s.item_id = find_uncounted.item_id
      and s.location_id = find_uncounted.position_id
      and s.lot_id is not distinct from find_uncounted.lot_id
      and s.id > v_mark
  );
  insert into wms.count_expectation (org_id, line_id, count_id, expected, start_mark)
  values (count.org_id, v_line.id, count.id, find_uncounted.quantity - v_moved, v_mark);
  return v_line;
end
$$;

comment on function wms.find_uncounted(wms.count_session, uuid, uuid, uuid, numeric) is
  'Adds what was not on the list of a count to it. The caller holds the balance, which has this quantity. Raises '
  'wms.count_overlaps, wms.adjustment_pending (409).';
