-- Promises stock to a document.

create or replace function wms.reserve_line(
  line wms.document_line,
  quantity numeric,
  warehouse_id uuid,
  strategy text,
  expires_at timestamptz
)
returns numeric
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_reserved numeric;
begin
  -- The caller has locked every balance that may be chosen.
  with candidate as (
    select
      b.id,
      b.location_id,
      b.lot_id,
      case i.tracking when 'SERIAL' then floor(b.quantity - b.reserved) else b.quantity - b.reserved end as available,
      row_number() over (
        order by
          case when reserve_line.strategy = 'FEFO' then t.expires_on end nulls last,
          case
            when reserve_line.strategy = 'NEAREST'
              then public.nlevel(p.path) + public.nlevel(r.path)
                - 2 * coalesce(public.nlevel(public.lca(p.path operator (public.||) 'x', r.path operator (public.||) 'x')), 0)
          end,
          case when reserve_line.strategy = 'NEAREST' then p.zone is distinct from r.zone end,
          case when reserve_line.strategy = 'NEAREST' then p.code end,
          b.lot_id,
          b.id
      ) as n
    from wms.pickable_balances(line.org_id, reserve_line.warehouse_id, array[line.item_id]) as k (balance_id)
    inner join wms.balance as b
      on b.org_id = line.org_id
      and b.id = k.balance_id
    inner join core.item as i
      on i.org_id = b.org_id
      and i.id = b.item_id
    inner join core.location as p
      on p.org_id = b.org_id
      and p.id = b.location_id
    inner join core.location as r
      on r.org_id = line.org_id
      and r.id = line.from_position_id
    left join wms.lot as t
      on t.org_id = b.org_id
      and t.id = b.lot_id
    where (line.lot_id is null or b.lot_id = line.lot_id)
      and (reserve_line.strategy <> 'POSITION' or b.location_id = line.from_position_id)
  ),
  summed as (
    select c.*, coalesce(sum(c.available) over (order by c.n rows between unbounded preceding and 1 preceding), 0) as before
    from candidate as c
    where c.available > 0
  ),
  taken as (
    select s.n, s.id, s.location_id, s.lot_id, least(s.available, reserve_line.quantity - s.before) as quantity
    from summed as s
    where s.before < reserve_line.quantity
  ),
  held as (
    insert into wms.reservation (
      org_id, document_id, line_id, item_id, lot_id, location_id, warehouse_id, quantity, expires_at
    )
    select
      line.org_id, line.document_id, line.id, line.item_id, t.lot_id, t.location_id, reserve_line.warehouse_id, t.quantity,
      reserve_line.expires_at
    from taken as t
    order by t.n
  ),
  promised as (
    update wms.balance as b
    set
      reserved = b.reserved + t.quantity,
      updated_at = now()
    from taken as t
    where b.org_id = line.org_id
      and b.id = t.id
    returning t.quantity
  )
  select coalesce(sum(p.quantity), 0) into v_reserved from promised as p;
  return v_reserved;
end
$$;

comment on function wms.reserve_line(wms.document_line, numeric, uuid, text, timestamptz) is
  'Reserves up to a quantity of the item of a line, in the order of the strategy; returns how much it found.';

create or replace function wms.pickable_balances(org_id uuid, warehouse_id uuid, items uuid[])
returns setof uuid
language sql
stable
parallel safe
begin atomic
  select b.id
  from wms.balance as b
  inner join core.location as p
    on p.org_id = b.org_id
    and p.id = b.location_id
  left join wms.lot as t
    on t.org_id = b.org_id
    and t.id = b.lot_id
  where b.org_id = pickable_balances.org_id
    and b.warehouse_id = pickable_balances.warehouse_id
    and b.item_id = any (pickable_balances.items)
    and b.quantity > b.reserved
    and p.is_active
    and p.kind not in ('RECEIVING', 'STAGING', 'SHIPPING', 'QUARANTINE')
    and (b.lot_id is null or (t.status = 'APPROVED' and (t.expires_on is null or t.expires_on >= core.today())));
end;

comment on function wms.pickable_balances(uuid, uuid, uuid[]) is
  'Balances of items in a warehouse of which something may be promised: unreserved stock at an active place that is picked '
  'from (neither RECEIVING, STAGING, SHIPPING nor QUARANTINE), of a lot that is approved and has not expired.';

create or replace function api.wms_document_reserve(
  id uuid,
  strategy text default 'FEFO',
  is_partial boolean default false,
  expires_at timestamptz default null,
  version integer default null
)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: reservations and balances are written by functions only
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_document wms.document;
  v_line wms.document_line;
  v_wanted numeric;
  v_reserved numeric;
  v_any boolean := false;
  v_short jsonb := '[]';
  v_items uuid[];
  v_hours numeric;
  v_expires_at timestamptz := wms_document_reserve.expires_at;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.reserve');
  v_document := wms.lock_document(id, version, '{DRAFT,RESERVED}');
  if v_document.document_type not in ('EXPORT', 'SALE', 'TRANSFER') then
    perform core.raise_error('wms.not_reservable', jsonb_build_object('document_type', v_document.document_type));
  elsif strategy is null or strategy not in ('FEFO', 'FIFO', 'NEAREST', 'POSITION') then
    perform core.raise_error('wms.strategy_unknown', jsonb_build_object('strategy', strategy));
  elsif v_document.line_count = 0 then
    perform core.raise_error('wms.lines_missing', jsonb_build_object('id', id));
  elsif v_expires_at <= now() then
    perform core.raise_error('wms.expiry_past', jsonb_build_object('expires_at', v_expires_at));
  end if;
  if v_expires_at is null then
    v_hours := (core.setting('wms.reservation_hours') #>> '{}')::numeric;
    v_expires_at := case when v_hours > 0 then now() + v_hours * interval '1 hour' end;
  end if;

  -- Everything that may be chosen is locked first, in the order in which everybody locks: nobody promises it twice, and
  -- nobody is skipped because he waits.
  v_items := array(
    select distinct l.item_id
    from wms.document_line as l
    where l.org_id = v_document.org_id
      and l.document_id = v_document.id
  );
  perform t.id
  from wms.lot as t
  where t.org_id = v_document.org_id
    and t.id in (
      select b.lot_id
      from wms.pickable_balances(v_document.org_id, v_document.from_location_id, v_items) as k (balance_id)
      inner join wms.balance as b
        on b.org_id = v_document.org_id
        and b.id = k.balance_id
    )
  order by t.id
  for share;
  perform b.id
  from wms.balance as b
  where b.org_id = v_document.org_id
    and b.id in (
      select k.balance_id
      from wms.pickable_balances(v_document.org_id, v_document.from_location_id, v_items) as k (balance_id)
    )
  order by b.id
  for update;

  -- Lines that name a lot choose first: the others can do with any.
  for v_line in
    select l.*
    from wms.document_line as l
    where l.org_id = v_document.org_id
      and l.document_id = v_document.id
    order by l.lot_id is null, l.line_no
  loop
    v_wanted := v_line.quantity_base - (
      select coalesce(sum(r.quantity), 0)
      from wms.reservation as r
      where r.org_id = v_line.org_id
        and r.document_id = v_line.document_id
        and r.line_id = v_line.id
        and r.status = 'HELD'
    );
    continue when v_wanted <= 0;
    v_reserved := wms.reserve_line(v_line, v_wanted, v_document.from_location_id, strategy, v_expires_at);
    v_any := v_any or v_reserved > 0;
    if v_reserved < v_wanted then
      v_short := v_short || (
        select jsonb_build_object(
          'item', i.sku, 'item_id', i.id, 'line', v_line.line_no, 'place', w.code, 'location_id', w.id,
          'requested', trim_scale(v_wanted), 'available', trim_scale(v_reserved), 'unit', i.unit_code
        )
        from core.item as i
        inner join core.location as w
          on w.org_id = i.org_id
          and w.id = v_document.from_location_id
        where i.org_id = v_line.org_id
          and i.id = v_line.item_id
      );
    end if;
  end loop;
  if v_short <> '[]' and not (coalesce(is_partial, false) and v_any) then
    perform core.raise_error('wms.insufficient_stock', (v_short -> 0) || jsonb_build_object('short', v_short));
  end if;

  update wms.document as d
  set status = 'RESERVED'
  where d.org_id = v_document.org_id
    and d.id = v_document.id
    and d.status = 'DRAFT';

  select d.* into v_row from api.wms_documents as d where d.org_id = v_document.org_id and d.id = v_document.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_document_reserve(uuid, text, boolean, timestamptz, integer) is
  'Promise stock to the lines of an EXPORT, SALE or TRANSFER
strategy: FEFO (lots that expire first), FIFO (lots and places that came first), NEAREST (places closest to the position that
the line names) or POSITION (that position only). What may not be picked is left out: lots that are not approved or have expired,
places where goods arrive, wait or are put aside. All or nothing, unless is_partial says that what there is will do. expires_at:
when a job releases it, by default after the hours of wms.reservation_hours. Refused: wms.insufficient_stock, wms.not_reservable,
wms.strategy_unknown, wms.expiry_past (422), wms.document_not_draft (409). Needs wms.document.reserve.';

grant execute on function api.wms_document_reserve(uuid, text, boolean, timestamptz, integer) to member, superadmin, migrator;
