-- Goods for a document go from the shelf to where it leaves.

create or replace function api.wms_pick(
  document_id uuid,
  line_id uuid,
  quantity numeric default null,
  from_position_id uuid default null,
  lot_id uuid default null,
  to_position_id uuid default null,
  unit_code text default null,
  version integer default null
)
returns api.wms_documents
language plpgsql
volatile
parallel unsafe
-- definer: balances, reservations and documents are written by functions only
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_document wms.document;
  v_line wms.document_line;
  v_item core.item;
  v_target wms.place;
  v_lines jsonb;
  v_reserved numeric;
  v_quantity numeric;
  v_more numeric;
  v_move wms.document;
  v_row api.wms_documents;
begin
  perform core.require_permission('wms.document.pick');
  v_document := wms.lock_reserved(wms_pick.document_id, wms_pick.version);
  select l.*
  into v_line
  from wms.document_line as l
  where l.org_id = v_document.org_id
    and l.document_id = v_document.id
    and l.id = wms_pick.line_id;
  if not found then
    perform core.raise_error('wms.line_not_found', jsonb_build_object('id', wms_pick.line_id));
  end if;
  v_item := wms.require_item(v_line.item_id, coalesce(wms_pick.lot_id, v_line.lot_id), false);
  perform wms.require_pickable(v_item, wms_pick.lot_id, wms_pick.from_position_id);
  v_target := wms.require_position(
    coalesce(wms_pick.to_position_id, wms.staging_of(v_document.from_location_id)), v_document.from_location_id
  );
  if v_target.id = wms_pick.from_position_id then
    perform core.raise_error('wms.same_position', jsonb_build_object('position_id', v_target.id));
  end if;

  v_quantity := case
    when wms_pick.quantity is not null then wms.in_item_unit(v_item, wms_pick.quantity, wms_pick.unit_code)
  end;
  select h.lines, h.reserved
  into v_lines, v_reserved
  from wms.held_for_picking(
    v_line, v_target.id, v_quantity, wms_pick.from_position_id, wms_pick.lot_id
  ) as h;
  v_more := coalesce(v_quantity - v_reserved, 0);
  if v_more > 0 or v_reserved = 0 then
    perform wms.require_over_pick(v_document, v_line, v_item, v_reserved, coalesce(v_quantity, v_line.quantity_base));
    v_lines := v_lines || wms.lines_between(
      array[v_item.id], array[coalesce(wms_pick.lot_id, v_line.lot_id)], array[v_more],
      coalesce(wms_pick.from_position_id, v_line.from_position_id), v_target.id
    );
  end if;
  perform wms.require_capacity(v_target.id, array[v_item.id], array[v_reserved + v_more]);

  v_move := wms.carry_to_staging(
    v_document, v_line, v_lines, coalesce(wms_pick.lot_id, v_line.lot_id), v_target.id, v_more
  );
  select d.* into v_row from api.wms_documents as d where d.org_id = v_move.org_id and d.id = v_move.id;
  return v_row;
exception
  when lock_not_available or deadlock_detected then
    perform core.raise_error('wms.busy');
end
$$;

comment on function api.wms_pick(uuid, uuid, numeric, uuid, uuid, uuid, text, integer) is
  'Pick goods for a line of a document
Takes what is reserved for the line (all that is not picked yet, or as much as quantity, of the position and lot if named) to
to_position_id, else to the STAGING (or SHIPPING) position of the warehouse, where it stays reserved for the document. Posts
a MOVE, which is returned; the document becomes PICKING. More than is reserved is refused (wms.over_pick, 422) unless the
setting wms.is_over_pick_allowed says otherwise, and never more than the line. Refused besides: wms.document_not_reserved
(409), wms.lot_not_pickable (423), wms.place_not_pickable, wms.same_position, wms.capacity_exceeded, wms.insufficient_stock
(422). Needs wms.document.pick.';

grant execute on function api.wms_pick(uuid, uuid, numeric, uuid, uuid, uuid, text, integer)
to member, superadmin, migrator;

create or replace function wms.lock_reserved(document_id uuid, version integer)
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_document wms.document;
begin
  select d.*
  into v_document
  from wms.document as d
  where d.org_id = core.org_id()
    and d.id = lock_reserved.document_id
  for no key update;
  if not found then
    perform core.raise_error('wms.document_not_found', jsonb_build_object('id', lock_reserved.document_id));
  end if;
  perform core.check_version('document', lock_reserved.version, v_document.version);
  if v_document.status not in ('RESERVED', 'PICKING') then
    perform core.raise_error(
      'wms.document_not_reserved', jsonb_build_object('id', v_document.id, 'status', v_document.status)
    );
  end if;
  return v_document;
end
$$;

comment on function wms.lock_reserved(uuid, integer) is
  'Locks a document for which goods are reserved until the transaction ends. Raises wms.document_not_found (404), '
  'wms.document_not_reserved (409), core.stale_version (412).';

create or replace function wms.require_pickable(item core.item, lot_id uuid, position_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_lot wms.lot;
  v_position wms.place;
begin
  if require_pickable.position_id is not null then
    v_position := wms.require_position(require_pickable.position_id);
    if v_position.kind = 'QUARANTINE' then
      perform core.raise_error(
        'wms.place_not_pickable', jsonb_build_object('place', v_position.code, 'kind', v_position.kind)
      );
    end if;
  end if;
  select t.*
  into v_lot
  from wms.lot as t
  where t.org_id = require_pickable.item.org_id
    and t.item_id = require_pickable.item.id
    and t.id = require_pickable.lot_id;
  if v_lot.status <> 'APPROVED' then
    perform core.raise_error(
      'wms.lot_not_pickable',
      jsonb_build_object('lot', v_lot.lot_no, 'item', require_pickable.item.sku, 'lot_status', v_lot.status)
    );
  end if;
end
$$;

comment on function wms.require_pickable(core.item, uuid, uuid) is
  'Raises wms.place_not_pickable (422) for a QUARANTINE position, wms.lot_not_pickable (423) for a lot that is not APPROVED.';

create or replace function wms.staging_of(warehouse_id uuid)
returns uuid
language plpgsql
stable
parallel safe
as $$
declare
  v_position_id uuid;
begin
  v_position_id := (
    select p.id
    from api.wms_positions as p
    where p.org_id = core.org_id()
      and p.warehouse_id = staging_of.warehouse_id
      and p.kind in ('STAGING', 'SHIPPING')
      and p.is_active
    order by p.kind desc, p.id
    limit 1
  );
  if v_position_id is null then
    perform core.raise_error('wms.staging_missing', jsonb_build_object('warehouse_id', staging_of.warehouse_id));
  end if;
  return v_position_id;
end
$$;

comment on function wms.staging_of(uuid) is
  'Where picked goods of a warehouse go: its oldest active STAGING position, else SHIPPING. Raises wms.staging_missing (422).';

create or replace function wms.held_for_picking(
  line wms.document_line,
  to_position_id uuid,
  quantity numeric,
  from_position_id uuid,
  lot_id uuid,
  out lines jsonb,
  out reserved numeric
)
returns record
language sql
stable
parallel safe
begin atomic
  with held as (
    select
      r.id,
      r.lot_id,
      r.location_id,
      r.quantity,
      coalesce(
        sum(r.quantity) over (order by r.id rows between unbounded preceding and 1 preceding), 0
      ) as before
    from wms.reservation as r
    inner join core.location as p
      on p.org_id = r.org_id
      and p.id = r.location_id
    where r.org_id = (held_for_picking.line).org_id
      and r.document_id = (held_for_picking.line).document_id
      and r.line_id = (held_for_picking.line).id
      and r.status = 'HELD'
      and p.kind not in ('STAGING', 'SHIPPING')
      and (held_for_picking.from_position_id is null or r.location_id = held_for_picking.from_position_id)
      and (held_for_picking.lot_id is null or r.lot_id = held_for_picking.lot_id)
  )
  select
    coalesce(
      jsonb_agg(
        jsonb_strip_nulls(
          jsonb_build_object(
            'reservation_id', h.id, 'item_id', (held_for_picking.line).item_id, 'lot_id', h.lot_id,
            'quantity', least(h.quantity, coalesce(held_for_picking.quantity - h.before, h.quantity)),
            'from_position_id', h.location_id, 'to_position_id', held_for_picking.to_position_id
          )
        )
        order by h.id
      ),
      '[]'
    ) as lines,
    coalesce(sum(least(h.quantity, coalesce(held_for_picking.quantity - h.before, h.quantity))), 0) as reserved
  from held as h
  where held_for_picking.quantity is null
    or h.before < held_for_picking.quantity;
end;

comment on function wms.held_for_picking(wms.document_line, uuid, numeric, uuid, uuid) is
  'What of the reservations of a line makes up a quantity (null: all), as lines of a MOVE, and how much that is. What lies in '
  'STAGING or SHIPPING is picked already.';

create or replace function wms.require_over_pick(
  document wms.document,
  line wms.document_line,
  item core.item,
  reserved numeric,
  wanted numeric
)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_held numeric;
begin
  v_held := (
    select coalesce(sum(r.quantity), 0)
    from wms.reservation as r
    where r.org_id = document.org_id
      and r.document_id = document.id
      and r.line_id = require_over_pick.line.id
      and r.status = 'HELD'
  );
  if not (core.setting('wms.is_over_pick_allowed') #>> '{}')::boolean
    or v_held + wanted - reserved > require_over_pick.line.quantity_base
    or wanted <= reserved
  then
    perform core.raise_error(
      'wms.over_pick',
      jsonb_build_object(
        'item', require_over_pick.item.sku, 'requested', trim_scale(wanted), 'reserved', trim_scale(reserved),
        'unit', require_over_pick.item.unit_code, 'line', require_over_pick.line.line_no
      )
    );
  end if;
end
$$;

comment on function wms.require_over_pick(wms.document, wms.document_line, core.item, numeric, numeric) is
  'Raises wms.over_pick (422) unless the organisation lets more be picked than is reserved, and the line asks for that much.';

create or replace function wms.carry_to_staging(
  document wms.document,
  line wms.document_line,
  lines jsonb,
  lot_id uuid,
  to_position_id uuid,
  more numeric
)
returns wms.document
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_move wms.document;
begin
  v_move := wms.post_at_once(
    'MOVE', document.from_location_id, document.from_location_id, carry_to_staging.lines,
    reason => 'Picked', reference => coalesce(document.reference, document.id::text)
  );
  if more > 0 then
    -- What was not reserved before is now, where it was brought to.
    perform wms.change_balances(
      document.org_id, array[line.item_id], array[carry_to_staging.lot_id], array[carry_to_staging.to_position_id],
      array[document.from_location_id], array[0::numeric], array[more]
    );
    insert into wms.reservation (org_id, document_id, line_id, item_id, lot_id, location_id, warehouse_id, quantity)
    values (
      document.org_id, document.id, line.id, line.item_id, carry_to_staging.lot_id, carry_to_staging.to_position_id,
      document.from_location_id, more
    );
  end if;
  update wms.document as d
  set status = 'PICKING'
  where d.org_id = document.org_id
    and d.id = document.id
    and d.status = 'RESERVED';
  return v_move;
end
$$;

comment on function wms.carry_to_staging(wms.document, wms.document_line, jsonb, uuid, uuid, numeric) is
  'Posts the MOVE of a pick, holds what was picked beyond the reservations, and makes the document PICKING; returns the MOVE.';
