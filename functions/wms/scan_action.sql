-- What may be done with something, by whoever asks, now.

create or replace function wms.scan_action(
  called text,
  permission text default null,
  problem text default null,
  details jsonb default '{}'
)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_refused jsonb;
begin
  if to_regproc(format('api.%I', called)) is null then
    return null;
  end if;
  if permission is not null and not core.has_permission(scan_action.permission) then
    v_refused := core.word_error('core.permission_missing', jsonb_build_object('permission', permission)) -> 'body';
  elsif problem is not null then
    v_refused := core.word_error(problem, details) -> 'body';
  end if;
  return jsonb_strip_nulls(
    jsonb_build_object(
      'function', called,
      'is_allowed', v_refused is null,
      'permission', permission,
      'refused', v_refused - 'details'
    )
  );
end
$$;

comment on function wms.scan_action(text, text, text, jsonb) is
  'A function of the API, whether the caller may call it now, and if not the error that it would answer with. Null for a '
  'function that is not there.';

grant execute on function wms.scan_action(text, text, text, jsonb) to member, superadmin, migrator;

create or replace function wms.step_actions(entity text, prefix text, status text)
returns jsonb
language sql
stable
parallel safe
begin atomic
  select coalesce(jsonb_agg(a.action order by a.action ->> 'function') filter (where a.action is not null), '[]')
  from (
    select wms.scan_action(
      step_actions.prefix || s.action,
      s.permission,
      case when not s.is_next then 'core.transition_refused' end,
      jsonb_build_object('entity', step_actions.entity, 'from_status', step_actions.status, 'to_status', s.to_status)
    ) as action
    from (
      -- A step that several states allow is told once: as this state has it, else as one that has it.
      select distinct on (t.action)
        t.action,
        t.to_status,
        t.permission,
        t.from_status = step_actions.status as is_next
      from core.transition as t
      where t.entity = step_actions.entity
        and t.from_status <> 'NEW'
        and t.permission is not null
      order by t.action asc, (t.from_status = step_actions.status) desc, t.to_status asc
    ) as s
  ) as a;
end;

comment on function wms.step_actions(text, text, text) is
  'The functions that take the steps of an entity, and whether the caller may take them in a state';

grant execute on function wms.step_actions(text, text, text) to member, superadmin, migrator;

create or replace function wms.actions_of(entity text, id uuid)
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_org uuid := core.org_id();
  v_problem text;
  v_details jsonb := '{}';
  v_kind text;
  v_status text;
  v_actions jsonb := '[]';
begin
  if entity = 'item' then
    select case when not i.is_active then 'wms.item_not_active' end, jsonb_build_object('item', i.sku)
    into v_problem, v_details
    from core.item as i
    where i.org_id = v_org
      and i.id = actions_of.id;
    v_actions := jsonb_build_array(
      wms.scan_action('wms_document_create', 'wms.document.create', v_problem, v_details),
      wms.scan_action('wms_put_away', 'wms.stock.move', v_problem, v_details),
      wms.scan_action('wms_stock_move', 'wms.stock.move', v_problem, v_details),
      wms.scan_action('wms_stock_adjust', 'wms.stock.adjust'),
      wms.scan_action('wms_item_card')
    );
  elsif entity = 'wms_lot' then
    select
      case when t.status <> 'APPROVED' then 'wms.lot_may_not_move' end,
      jsonb_build_object('lot', t.lot_no, 'status', t.status),
      t.status
    into v_problem, v_details, v_status
    from wms.lot as t
    where t.org_id = v_org
      and t.id = actions_of.id;
    v_actions := jsonb_build_array(
      wms.scan_action('wms_document_create', 'wms.document.create', v_problem, v_details),
      wms.scan_action('wms_put_away', 'wms.stock.move', v_problem, v_details),
      wms.scan_action('wms_stock_move', 'wms.stock.move', v_problem, v_details),
      wms.scan_action('wms_stock_adjust', 'wms.stock.adjust'),
      wms.scan_action(
        'wms_lot_set_status', 'wms.lot.set_status',
        case
          when not exists (
            select from core.transition as n where n.entity = 'wms.lot' and n.from_status = v_status
          ) then 'wms.lot_status_final'
        end,
        v_details
      ),
      wms.scan_action(
        'wms_lot_recall', 'wms.lot.set_status',
        case
          when not exists (
            select
            from core.transition as n
            where n.entity = 'wms.lot'
              and n.from_status = v_status
              and n.to_status = 'RECALLED'
          ) then 'wms.lot_status_final'
        end,
        v_details
      ),
      wms.scan_action('wms_lot_trace'),
      wms.scan_action('wms_lot_report')
    );
  elsif entity = 'location' then
    select p.kind, case when not p.is_active then 'wms.place_inactive' end, jsonb_build_object('place', p.code)
    into v_kind, v_problem, v_details
    from core.location as p
    where p.org_id = v_org
      and p.id = actions_of.id;
    if v_kind = 'WAREHOUSE' then
      v_actions := jsonb_build_array(
        wms.scan_action('wms_document_create', 'wms.document.create', v_problem, v_details),
        wms.scan_action('wms_position_create', 'wms.position.create', v_problem, v_details),
        wms.scan_action('wms_count_plan', 'wms.count.plan', v_problem, v_details),
        wms.scan_action('wms_reorder_suggest'),
        wms.scan_action('wms_stock_as_of')
      );
    elsif wms.is_position_of(v_kind, '', '') then
      v_actions := jsonb_build_array(
        wms.scan_action('wms_put_away', 'wms.stock.move', v_problem, v_details),
        wms.scan_action('wms_stock_move', 'wms.stock.move', v_problem, v_details),
        wms.scan_action('wms_stock_adjust', 'wms.stock.adjust', v_problem, v_details),
        wms.scan_action('wms_count_record', 'wms.count.record', v_problem, v_details),
        wms.scan_action('wms_stock_as_of')
      );
    end if;
  elsif entity = 'wms_document' then
    v_status := (select d.status from wms.document as d where d.org_id = v_org and d.id = actions_of.id);
    v_actions := wms.step_actions('wms.document', 'wms_document_', v_status) || jsonb_build_array(
      wms.scan_action(
        'wms_document_lines_put', 'wms.document.update', case when v_status <> 'DRAFT' then 'wms.document_not_draft' end,
        jsonb_build_object('status', v_status)
      )
    );
  elsif entity = 'wms_handling_unit' then
    select h.status, jsonb_build_object('sscc', h.sscc, 'status', h.status)
    into v_status, v_details
    from wms.handling_unit as h
    where h.org_id = v_org
      and h.id = actions_of.id;
    v_problem := case when v_status <> 'OPEN' then 'wms.handling_unit_status' end;
    v_actions := wms.step_actions('wms.handling_unit', 'wms_handling_unit_', v_status) || jsonb_build_array(
      wms.scan_action('wms_handling_unit_move', 'wms.handling_unit.update', v_problem, v_details),
      wms.scan_action('wms_handling_unit_pack', 'wms.handling_unit.update', v_problem, v_details),
      wms.scan_action('wms_handling_unit_unpack', 'wms.handling_unit.update', v_problem, v_details),
      wms.scan_action('wms_handling_unit_nest', 'wms.handling_unit.update', v_problem, v_details)
    );
  end if;
  return (
    select coalesce(jsonb_agg(a.action), '[]')
    from jsonb_array_elements(v_actions) as a (action)
    where a.action <> 'null'
  );
end
$$;

comment on function wms.actions_of(text, uuid) is
  'What the caller may do with an entity now, and why he may not do the rest; reading functions ask for no permission.';

grant execute on function wms.actions_of(text, uuid) to member, superadmin, migrator;
