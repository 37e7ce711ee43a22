-- The movements of an item with what was there after each.

create type api.wms_item_movement as (
  id uuid,
  occurred_at timestamptz,
  posted_at timestamptz,
  document_id uuid,
  document_type text,
  number text,
  reference text,
  partner_id uuid,
  location_id uuid,
  location_code text,
  lot_id uuid,
  lot_no text,
  delta numeric,
  quantity_after numeric,
  value_delta numeric,
  value_after numeric
);

comment on type api.wms_item_movement is 'A movement of an item, and what was there after it';

create or replace function api.wms_item_card(
  item_id uuid,
  location_id uuid default null,
  lot_id uuid default null,
  before uuid default null,
  page_size integer default 20
)
returns setof api.wms_item_movement
language plpgsql
stable
parallel safe
rows 20
set plan_cache_mode = force_generic_plan
as $$
declare
  v_org uuid := core.org_id();
  v_path public.ltree;
  v_quantity numeric;
  v_value numeric;
  v_step record;
  v_row api.wms_item_movement;
  v_left integer := wms_item_card.page_size;
  v_where text := concat(
    case when wms_item_card.lot_id is not null then ' and l.lot_id = $5' end,
    case when wms_item_card.location_id is not null then ' and p.path operator(public.<@) $6' end
  );
begin
  perform wms.check_page_size(page_size);
  if not exists (select from core.item as i where i.org_id = v_org and i.id = wms_item_card.item_id) then
    perform core.raise_error('core.not_found', jsonb_build_object('entity', 'item', 'id', item_id));
  elsif location_id is not null then
    v_path := (
      select p.path
      from core.location as p
      where p.org_id = v_org
        and p.id = wms_item_card.location_id
    );
    if v_path is null then
      perform core.raise_error('core.not_found', jsonb_build_object('entity', 'location', 'id', location_id));
    end if;
  end if;

  if v_path is null and wms_item_card.lot_id is null and wms.blind_counts() = '{}' then
    -- What there is now, less what has moved since the cursor.
    v_quantity := (
      select coalesce(sum(b.quantity), 0)
      from wms.balance as b
      where b.org_id = v_org
        and b.item_id = wms_item_card.item_id
    );
    v_value := (
      select coalesce(sum(v.value), 0)
      from wms.stock_value as v
      where v.org_id = v_org
        and v.item_id = wms_item_card.item_id
    );
    if wms_item_card.before is not null then
      select v_quantity - coalesce(sum(l.delta), 0), v_value - coalesce(sum(l.value_delta), 0)
      into v_quantity, v_value
      from wms.stock_ledger as l
      inner join core.location as p
        on p.org_id = l.org_id
        and p.id = l.location_id
      where l.org_id = v_org
        and l.item_id = wms_item_card.item_id
        and l.id >= wms_item_card.before
        and not p.is_virtual;
    end if;
  else
    -- Of a part of it, only the ledger knows the value.
    select coalesce(sum(l.delta), 0), coalesce(sum(l.value_delta), 0)
    into v_quantity, v_value
    from wms.stock_ledger as l
    inner join core.location as p
      on p.org_id = l.org_id
      and p.id = l.location_id
    where l.org_id = v_org
      and l.item_id = wms_item_card.item_id
      and (wms_item_card.before is null or l.id < wms_item_card.before)
      and (wms_item_card.lot_id is null or l.lot_id = wms_item_card.lot_id)
      and not p.is_virtual
      and (v_path is null or p.path operator(public.<@) v_path);
  end if;

  for v_step in
    select s.lowest, s.beyond
    from wms.id_steps('wms.stock_ledger', wms_item_card.before) as s
  loop
    for v_row in execute format(
      'select l.id, l.occurred_at, l.posted_at, l.document_id, null, null, null, null::uuid,'
      ' l.location_id, p.code, l.lot_id, t.lot_no, trim_scale(l.delta), null::numeric,'
      ' trim_scale(l.value_delta), null::numeric'
      ' from (select l.* from wms.stock_ledger as l'
      '   join core.location as p on p.org_id = l.org_id and p.id = l.location_id'
      '   where l.org_id = $1 and l.item_id = $2 and l.id >= $3 and l.id < $4 and not p.is_virtual%s'
      '   order by l.id desc limit $7) as l'
      ' join core.location as p on p.org_id = l.org_id and p.id = l.location_id'
      ' left join wms.lot as t on t.org_id = l.org_id and t.id = l.lot_id'
      ' order by l.id desc',
      v_where
    ) using v_org, wms_item_card.item_id, v_step.lowest, v_step.beyond, wms_item_card.lot_id, v_path, v_left
    loop
      -- One by one, by a plan that is kept: a join would be planned over every quarter of the documents, step by step.
      select d.document_type, d.number, d.reference, d.partner_id
      into v_row.document_type, v_row.number, v_row.reference, v_row.partner_id
      from wms.document as d
      where d.org_id = v_org
        and d.id = v_row.document_id;
      v_row.quantity_after := trim_scale(v_quantity);
      v_row.value_after := trim_scale(v_value);
      v_quantity := v_quantity - v_row.delta;
      v_value := v_value - v_row.value_delta;
      v_left := v_left - 1;
      return next v_row;
    end loop;
    exit when v_left <= 0;
  end loop;
end
$$;

comment on function api.wms_item_card(uuid, uuid, uuid, uuid, integer) is
  'Every movement of an item with the quantity and value after it, newest first
Of all places, or of a warehouse or position (location_id) with all in it, of one lot if asked. In the unit that the item is
kept in and the base currency. The next page: before, the last id seen. Errors: core.not_found (404), wms.page_size (422).';

grant execute on function api.wms_item_card(uuid, uuid, uuid, uuid, integer) to member, superadmin, migrator;
