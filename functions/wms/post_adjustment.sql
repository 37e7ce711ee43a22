-- Corrections of stock: posted at once, or after a second person agreed.

create or replace function wms.adjust_stock(adjustment wms.adjustment)
returns uuid
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_difference numeric := adjustment.new_quantity - adjustment.quantity_before;
  v_loss uuid := wms.virtual_place(adjustment.org_id, 'LOSS');
  v_document wms.document;
begin
  v_document := wms.post_at_once(
    'ADJUSTMENT', adjustment.warehouse_id, adjustment.warehouse_id,
    wms.lines_between(
      array[adjustment.item_id], array[adjustment.lot_id], array[abs(v_difference)],
      case when v_difference < 0 then adjustment.position_id else v_loss end,
      case when v_difference < 0 then v_loss else adjustment.position_id end
    ),
    reason => adjustment.reason
  );
  return v_document.id;
end
$$;

comment on function wms.adjust_stock(wms.adjustment) is
  'Posts the difference of an adjustment, to or from LOSS; returns the document.';

create or replace function wms.post_adjustment(adjustment wms.adjustment)
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  insert into wms.adjustment (
    org_id, id, status, warehouse_id, position_id, item_id, lot_id, quantity_before, new_quantity, amount, currency, reason,
    document_id, decided_at, decided_by
  )
  values (
    adjustment.org_id, adjustment.id, 'POSTED', adjustment.warehouse_id, adjustment.position_id, adjustment.item_id,
    adjustment.lot_id, adjustment.quantity_before, adjustment.new_quantity, adjustment.amount, adjustment.currency,
    adjustment.reason, wms.adjust_stock(adjustment), now(), core.user_id()
  );
end
$$;

comment on function wms.post_adjustment(wms.adjustment) is 'Makes an adjustment that needs nobody else, and posts it.';

create or replace function wms.ask_for_adjustment(adjustment wms.adjustment)
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_approval core.approval;
begin
  insert into wms.adjustment (
    org_id, id, status, warehouse_id, position_id, item_id, lot_id, quantity_before, new_quantity, amount, currency, reason
  )
  values (
    adjustment.org_id, adjustment.id, 'PENDING', adjustment.warehouse_id, adjustment.position_id, adjustment.item_id,
    adjustment.lot_id, adjustment.quantity_before, adjustment.new_quantity, adjustment.amount, adjustment.currency,
    adjustment.reason
  );
  v_approval := core.request_approval(
    'wms_adjustment', adjustment.id, null, adjustment.amount, adjustment.currency,
    (
      select w.unit_id
      from core.location as w
      where w.org_id = adjustment.org_id
        and w.id = adjustment.warehouse_id
    )
  );
  -- Policies of its own may let the organisation do without a second person.
  if v_approval.status = 'APPROVED' then
    perform wms.decide_adjustment(v_approval);
  end if;
end
$$;

comment on function wms.ask_for_adjustment(wms.adjustment) is 'Makes an adjustment that waits for a second person.';

create or replace function wms.decide_adjustment(approval core.approval)
returns void
language plpgsql
volatile
parallel unsafe
-- definer: called by the decision of an approval, which has checked the right of who decides
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_adjustment wms.adjustment;
  v_reason text;
begin
  select a.*
  into strict v_adjustment
  from wms.adjustment as a
  where a.org_id = core.org_id()
    and a.id = decide_adjustment.approval.entity_id
  for no key update;

  if decide_adjustment.approval.status = 'APPROVED' then
    update wms.adjustment as a
    set
      status = 'POSTED',
      document_id = wms.adjust_stock(v_adjustment),
      decided_at = now(),
      decided_by = core.user_id()
    where a.org_id = v_adjustment.org_id
      and a.id = v_adjustment.id;
    return;
  end if;

  -- Sent back is as good as rejected: what lies there is found out anew.
  v_reason := (
    select s.reason
    from core.approval_step as s
    where s.org_id = v_adjustment.org_id
      and s.approval_id = decide_adjustment.approval.id
      and s.decision in ('REJECT', 'SEND_BACK')
    order by s.step_no desc
    limit 1
  );
  update wms.adjustment as a
  set
    status = 'REJECTED',
    status_reason = v_reason,
    decided_at = now(),
    decided_by = core.user_id()
  where a.org_id = v_adjustment.org_id
    and a.id = v_adjustment.id;
end
$$;

comment on function wms.decide_adjustment(core.approval) is
  'Told when the approval of an adjustment ends: posts the difference, or rejects it.';
