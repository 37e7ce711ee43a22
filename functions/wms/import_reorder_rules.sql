-- Staged rows of reorder rules.

create or replace function wms.import_wms_reorder_rules(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  item_id uuid,
  warehouse_id uuid,
  minimum numeric,
  maximum numeric,
  multiple numeric,
  note text
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    m.id,
    core.import_problems(
      case
        when w.id is null or w.kind <> 'WAREHOUSE'
          then core.import_problem('warehouse', 'core.import_reference', r.data ->> 'warehouse', '{"entity": "warehouse"}')
      end,
      case
        when i.id is null
          then core.import_problem('item', 'core.import_reference', r.data ->> 'item', '{"entity": "item"}')
      end,
      case
        when (r.data ->> 'minimum')::numeric < 0
          then core.import_problem('minimum', 'core.import_negative', r.data ->> 'minimum')
      end,
      case
        when (r.data ->> 'maximum')::numeric <= 0
          then core.import_problem('maximum', 'core.import_not_positive', r.data ->> 'maximum')
        when (r.data ->> 'maximum')::numeric < (r.data ->> 'minimum')::numeric then core.import_problem(
          'maximum', 'core.import_order', r.data ->> 'maximum', '{"column": "maximum", "other": "minimum"}'
        )
      end,
      case
        when (r.data ->> 'multiple')::numeric <= 0
          then core.import_problem('multiple', 'core.import_not_positive', r.data ->> 'multiple')
      end
    ),
    i.id,
    w.id,
    round((r.data ->> 'minimum')::numeric, 6),
    round((r.data ->> 'maximum')::numeric, 6),
    coalesce(round((r.data ->> 'multiple')::numeric, 6), m.multiple, 1),
    r.data ->> 'note'
  from core.import_lines(
    import_wms_reorder_rules.import_id, import_wms_reorder_rules.first_line, import_wms_reorder_rules.last_line
  ) as r
  left join core.location_paths() as p on p.path = r.data ->> 'warehouse'
  left join core.location as w on w.org_id = r.org_id and w.id = p.id
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'item'
  left join wms.reorder_rule as m on m.org_id = r.org_id and m.warehouse_id = w.id and m.item_id = i.id;
end;

comment on function wms.import_wms_reorder_rules(uuid, integer, integer) is
  'Staged rows as rows of wms.reorder_rule, by warehouse and item';

grant execute on function wms.import_wms_reorder_rules(uuid, integer, integer) to member, superadmin, migrator;
