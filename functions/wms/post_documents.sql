-- The heart of the warehouse: documents become facts, so that any number of sessions may do it at once.

create or replace function wms.post_documents(
  documents wms.document[],
  take_lines uuid[] default null,
  take_reservations uuid[] default null
)
returns void
language plpgsql
volatile
parallel unsafe
-- one plan per statement and session, and the same one whatever the statistics say: a few rows of each table, by their keys
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_org uuid := documents[1].org_id;
  v_user uuid := core.user_id();
  v_settings jsonb;
  v_limit numeric;
  v_time_zone text;
  v_today date;
  v_closed wms.stock_period[];
  v_movements wms.movement[];
  v_lots uuid[] := '{}';
  v_needs_room boolean := false;
  v_document wms.document;
  v_movement wms.movement;
  v_ignored boolean; -- an assignment takes less than a statement, here and in what is called
begin
  select
    o.time_zone,
    (now() at time zone o.time_zone)::date,
    core.settings('{wms.second_person_total,wms.valuation_method}')
  into v_time_zone, v_today, v_settings
  from core.organization as o
  where o.id = v_org;
  v_limit := (v_settings ->> 'wms.second_person_total')::numeric;
  foreach v_document in array documents loop
    if v_document.line_count = 0 then
      perform core.raise_error('wms.lines_missing', jsonb_build_object('id', v_document.id));
    elsif v_document.posting_date > v_today then
      perform core.raise_error(
        'wms.posting_date_ahead', jsonb_build_object('posting_date', v_document.posting_date, 'id', v_document.id)
      );
    elsif v_limit > 0
      and v_document.status <> 'POSTING'
      and v_document.total >= v_limit
      and v_document.created_by = v_user then
      perform core.raise_error(
        'wms.poster_is_creator',
        jsonb_build_object(
          'id', v_document.id, 'total', trim_scale(v_document.total), 'currency', v_document.currency, 'limit', v_limit
        )
      );
    end if;
  end loop;

  -- The order of locks is the same for every posting: documents, places with a limit, the right to post into the period,
  -- lots, queues of the warehouses (if they are many), balances by id, values by key, counters of the numbers.
  v_movements := wms.read_movements(documents, take_lines, take_reservations, v_today, v_time_zone);
  foreach v_movement in array v_movements loop
    v_needs_room := v_needs_room or v_movement.needs_room;
    if v_movement.lot_id is not null and v_movement.lot_id <> all (v_lots) then
      v_lots := v_lots || v_movement.lot_id;
    end if;
  end loop;
  if v_needs_room then
    v_ignored := wms.check_room(v_movements) is null;
  end if;

  v_ignored := wms.enter_period(v_org) is null;
  v_closed := array(select p from wms.stock_period as p where p.org_id = v_org);
  if v_closed <> '{}' then
    foreach v_document in array documents loop
      perform wms.check_period(v_closed, v_document.from_location_id, coalesce(v_document.posting_date, v_today));
      perform wms.check_period(v_closed, v_document.to_location_id, coalesce(v_document.posting_date, v_today));
    end loop;
  end if;

  if v_lots <> '{}' then
    v_ignored := wms.lock_lots(v_org, v_lots) is null;
    -- Whoever held a lot while we waited for it is obeyed.
    v_movements := wms.read_movements(documents, take_lines, take_reservations, v_today, v_time_zone);
    foreach v_movement in array v_movements loop
      if v_movement.lot_id <> all (v_lots) then
        perform core.raise_error('wms.busy'); -- what is reserved has changed meanwhile
      end if;
    end loop;
  end if;

  v_ignored := wms.move_stock(v_org, v_movements, v_settings ->> 'wms.valuation_method') is null;
  v_ignored := wms.number_documents(documents, v_today) is null;
end
$$;

comment on function wms.post_documents(wms.document[], uuid[], uuid[]) is
  'Posts documents of one organisation at once, all or nothing: checks them, moves their stock, gives them their numbers. '
  'The caller has locked them, in the order of their ids if they are many, and checked the right to post.';

create or replace function wms.lock_lots(org_id uuid, lots uuid[])
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_serial uuid[];
begin
  v_serial := array(
    select t.id
    from wms.lot as t
    inner join core.item as i
      on i.org_id = t.org_id
      and i.id = t.item_id
    where t.org_id = lock_lots.org_id
      and t.id = any (lots)
      and i.tracking = 'SERIAL'
    order by t.id
  );
  -- A serial is at one place, which no balance alone can tell: one posting at a time. Other lots only keep their status.
  if cardinality(v_serial) > 0 then
    perform t.id
    from wms.lot as t
    where t.org_id = lock_lots.org_id
      and t.id = any (v_serial)
    order by t.id
    for no key update;
  end if;
  if cardinality(v_serial) < cardinality(lots) then
    perform t.id
    from wms.lot as t
    where t.org_id = lock_lots.org_id
      and t.id = any (lots)
      and t.id <> all (v_serial)
    order by t.id
    for share;
  end if;
end
$$;

comment on function wms.lock_lots(uuid, uuid[]) is
  'Locks lots until the transaction ends: serials against every other posting, lots against a change of their status.';

create or replace function wms.number_documents(documents wms.document[], today date)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_group record;
begin
  if cardinality(documents) = 1 then
    -- By its id, so that only its partition is opened. The number is taken when the row has been found: postings of the
    -- same type wait for each other from there to their commit.
    update wms.document as d
    set
      status = 'POSTED',
      number = (
        core.next_numbers(
          'wms.' || lower(documents[1].document_type), array[documents[1].id], null,
          coalesce(documents[1].posting_date, today)
        )
      )[1],
      posting_date = coalesce(documents[1].posting_date, today),
      posted_at = now(),
      posted_by = core.user_id()
    where d.org_id = documents[1].org_id
      and d.id = documents[1].id;
    return;
  end if;

  for v_group in
    select
      d.document_type,
      min(coalesce(d.posting_date, today)) as on_date,
      array_agg(d.id order by d.ordinality) as ids,
      array_agg(coalesce(d.posting_date, today) order by d.ordinality) as dates
    from unnest(documents) with ordinality as d
    group by d.document_type, extract(year from coalesce(d.posting_date, today))
    order by d.document_type, extract(year from coalesce(d.posting_date, today))
  loop
    update wms.document as d
    set
      status = 'POSTED',
      number = n.number,
      posting_date = n.posting_date,
      posted_at = now(),
      posted_by = core.user_id()
    from unnest(
      v_group.ids, v_group.dates,
      core.next_numbers('wms.' || lower(v_group.document_type), v_group.ids, null, v_group.on_date)
    ) as n (id, posting_date, number)
    where d.org_id = documents[1].org_id
      and d.id = n.id;
  end loop;
end
$$;

comment on function wms.number_documents(wms.document[], date) is
  'Gives documents their numbers, by type and year, and makes them POSTED.';
