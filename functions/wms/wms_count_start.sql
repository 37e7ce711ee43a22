-- Counting begins: the list is made, and what is expected is frozen.

create or replace function api.wms_count_start(id uuid, version integer default null)
returns api.wms_counts
language plpgsql
volatile
parallel unsafe
-- definer: lines and expectations are written by these functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count wms.count_session;
  v_balances uuid[];
  v_due uuid[];
  v_mark uuid;
  v_lines integer;
  v_other text;
  v_row api.wms_counts;
begin
  perform core.require_permission('wms.count.plan');
  v_count := wms.lock_count(wms_count_start.id, wms_count_start.version, array['PLANNED']);

  perform wms.hold_counts(v_count.warehouse_id, true);
  if v_count.rule_id is not null then
    v_due := array(
      select d.balance_id
      from wms.count_rule as r
      cross join lateral wms.balances_due(r, core.today()) as d
      where r.org_id = v_count.org_id
        and r.id = v_count.rule_id
    );
  end if;
  -- Locked in the order in which postings lock them, so that what is frozen is what the ledger says up to the mark: ids
  -- of the ledger are made under this lock.
  select array_agg(s.id order by s.item_id, s.location_id, s.lot_id)
  into v_balances
  from (
    select b.id, b.item_id, b.location_id, b.lot_id
    from wms.balance as b
    inner join core.location as p
      on p.org_id = b.org_id
      and p.id = b.location_id
    inner join core.item as i
      on i.org_id = b.org_id
      and i.id = b.item_id
    where b.org_id = v_count.org_id
      and b.warehouse_id = v_count.warehouse_id
      and b.quantity > 0
      and (v_due is null or b.id = any (v_due))
      and (v_count.zone is null or p.zone = v_count.zone)
      and (v_count.item_id is null or b.item_id = v_count.item_id)
      and (v_count.item_class is null or i.class = v_count.item_class)
      and (
        v_count.position_id is null
        or p.path operator (public.<@) (
          select s.path
          from core.location as s
          where s.org_id = v_count.org_id
            and s.id = v_count.position_id
        )
      )
    order by b.item_id, b.location_id, b.lot_id
    for share of b
  ) as s;
  v_mark := uuidv7();

  v_other := (
    select min(i.sku)
    from wms.balance as b
    inner join wms.adjustment as a
      on a.org_id = b.org_id
      and a.item_id = b.item_id
      and a.position_id = b.location_id
      and a.lot_id is not distinct from b.lot_id
      and a.status = 'PENDING'
    inner join core.item as i
      on i.org_id = b.org_id
      and i.id = b.item_id
    where b.org_id = v_count.org_id
      and b.id = any (v_balances)
  );
  if v_other is not null then
    perform core.raise_error('wms.adjustment_pending', jsonb_build_object('item', v_other));
  end if;

  begin
    insert into wms.count_line (org_id, count_id, position_id, item_id, lot_id)
    select b.org_id, v_count.id, b.location_id, b.item_id, b.lot_id
    from wms.balance as b
    where b.org_id = v_count.org_id
      and b.id = any (v_balances);
    get diagnostics v_lines = row_count;
  exception
    when unique_violation then
      perform core.raise_error('wms.count_overlaps');
  end;

  insert into wms.count_expectation (org_id, line_id, count_id, expected, start_mark)
  select l.org_id, l.id, l.count_id, b.quantity, v_mark
  from wms.count_line as l
  inner join wms.balance as b
    on b.org_id = l.org_id
    and b.item_id = l.item_id
    and b.location_id = l.position_id
    and b.lot_id is not distinct from l.lot_id
  where l.org_id = v_count.org_id
    and l.count_id = v_count.id;

  update wms.count_session as c
  set
    status = 'COUNTING',
    number = core.next_number('wms.count_session', v_count.id),
    line_count = v_lines,
    started_at = now(),
    started_by = core.user_id()
  where c.org_id = v_count.org_id
    and c.id = v_count.id;

  select c.* into v_row from api.wms_counts as c where c.org_id = v_count.org_id and c.id = v_count.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_count_start(uuid, integer) is
  'Start a planned count
Makes the list of what lies in its scope (of a count by a rule, what of it is due), freezes what is expected, and gives the count its number. Goods may go on moving:
what the ledger moves until a line is counted changes what is expected of it. Refused while something in its scope is in
another open count (wms.count_overlaps, 409) or waits for a second person (wms.adjustment_pending, 409). Needs wms.count.plan.';

grant execute on function api.wms_count_start(uuid, integer) to member, superadmin, migrator;
