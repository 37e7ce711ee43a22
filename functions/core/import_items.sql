-- Staged rows of items and of what belongs to them.

create or replace function core.import_items(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  sku text,
  name text,
  class text,
  tracking text,
  unit_code text,
  shelf_life_days integer,
  price numeric,
  currency text
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    i.id,
    -- A row without problems costs a few comparisons.
    case
      when (u.code is null and r.data ->> 'unit_code' is not null)
        or (c.code is null and r.data ->> 'currency' is not null)
        or (r.data ->> 'price')::numeric < 0
        or (r.data ->> 'price' is not null and r.data ->> 'currency' is null)
        or (r.data ->> 'shelf_life_days')::integer <= 0
        then core.import_problems(
          case
            when u.code is null and r.data ->> 'unit_code' is not null then core.import_problem(
              'unit_code', 'core.import_reference', r.data ->> 'unit_code', '{"entity": "unit"}'
            )
          end,
          case
            when c.code is null and r.data ->> 'currency' is not null then core.import_problem(
              'currency', 'core.import_reference', r.data ->> 'currency', '{"entity": "currency"}'
            )
          end,
          case
            when (r.data ->> 'price')::numeric < 0 then core.import_problem('price', 'core.import_negative', r.data ->> 'price')
          end,
          case
            when r.data ->> 'price' is not null and r.data ->> 'currency' is null
              then core.import_problem('currency', 'core.import_required')
          end,
          case
            when (r.data ->> 'shelf_life_days')::integer <= 0
              then core.import_problem('shelf_life_days', 'core.import_not_positive', r.data ->> 'shelf_life_days')
          end
        )
    end,
    r.data ->> 'sku',
    r.data ->> 'name',
    r.data ->> 'class',
    coalesce(r.data ->> 'tracking', 'NONE'),
    r.data ->> 'unit_code',
    (r.data ->> 'shelf_life_days')::integer,
    round((r.data ->> 'price')::numeric, 4),
    -- A currency without a price says nothing; a file without prices leaves both as they are.
    case
      when r.data ->> 'price' is not null then r.data ->> 'currency'
      when not r.data ? 'price' then i.currency
    end
  from core.import_row as r
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'sku'
  left join core.unit as u on u.code = r.data ->> 'unit_code'
  left join core.currency as c on c.code = r.data ->> 'currency'
  where r.org_id = (select core.org_id())
    and r.import_id = import_items.import_id
    and r.line between import_items.first_line and import_items.last_line
    and r.problems is null;
end;

comment on function core.import_items(uuid, integer, integer) is 'Staged rows as rows of core.item, by article number';

grant execute on function core.import_items(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_item_barcodes(import_id uuid, first_line integer, last_line integer)
returns table (line integer, match_id uuid, problems jsonb, barcode text, item_id uuid, unit_code text)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    b.item_id,
    core.import_problems(
      case
        when i.id is null then core.import_problem(
          'item', 'core.import_reference', r.data ->> 'item', '{"entity": "item"}'
        )
      end,
      case
        when u.code is null and r.data ->> 'unit_code' is not null then core.import_problem(
          'unit_code', 'core.import_reference', r.data ->> 'unit_code', '{"entity": "unit"}'
        )
      end,
      case
        when r.data ->> 'barcode' !~ '^[!-~]{3,48}$'
          then core.import_problem('barcode', 'core.import_barcode', r.data ->> 'barcode')
      end,
      case
        when b.item_id <> i.id or b.unit_code <> coalesce(r.data ->> 'unit_code', i.unit_code) then core.import_problem(
          'barcode', 'core.import_taken', r.data ->> 'barcode',
          jsonb_build_object('owner', (
            select o.sku || ' (' || b.unit_code || ')' from core.item as o where o.org_id = b.org_id and o.id = b.item_id
          ))
        )
      end
    ),
    r.data ->> 'barcode',
    i.id,
    coalesce(r.data ->> 'unit_code', i.unit_code)
  from core.import_row as r
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'item'
  left join core.unit as u on u.code = r.data ->> 'unit_code'
  left join core.item_barcode as b on b.org_id = r.org_id and b.barcode = r.data ->> 'barcode'
  where r.org_id = (select core.org_id())
    and r.import_id = import_item_barcodes.import_id
    and r.line between import_item_barcodes.first_line and import_item_barcodes.last_line
    and r.problems is null;
end;

comment on function core.import_item_barcodes(uuid, integer, integer) is
  'Staged rows as rows of core.item_barcode; the unit of the item where none is given';

grant execute on function core.import_item_barcodes(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_unit_conversions(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  item_id uuid,
  from_unit text,
  to_unit text,
  factor_numerator numeric,
  factor_denominator numeric,
  valid daterange
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    c.id,
    core.import_problems(
      case
        when i.id is null and r.data ->> 'item' is not null then core.import_problem(
          'item', 'core.import_reference', r.data ->> 'item', '{"entity": "item"}'
        )
      end,
      case
        when f.code is null
          then core.import_problem('from_unit', 'core.import_reference', r.data ->> 'from_unit', '{"entity": "unit"}')
      end,
      case
        when t.code is null
          then core.import_problem('to_unit', 'core.import_reference', r.data ->> 'to_unit', '{"entity": "unit"}')
      end,
      case
        when (r.data ->> 'factor_numerator')::numeric <= 0
          then core.import_problem('factor_numerator', 'core.import_not_positive', r.data ->> 'factor_numerator')
      end,
      case
        when (r.data ->> 'factor_denominator')::numeric <= 0
          then core.import_problem('factor_denominator', 'core.import_not_positive', r.data ->> 'factor_denominator')
      end,
      case
        when (r.data ->> 'valid_to')::date < (r.data ->> 'valid_from')::date
          then core.import_problem('valid_to', 'core.import_order', r.data ->> 'valid_to', '{"other": "valid_from"}')
      end
    ),
    i.id,
    r.data ->> 'from_unit',
    r.data ->> 'to_unit',
    (r.data ->> 'factor_numerator')::numeric,
    coalesce((r.data ->> 'factor_denominator')::numeric, 1),
    case
      when (r.data ->> 'valid_to')::date < (r.data ->> 'valid_from')::date then null
      else daterange((r.data ->> 'valid_from')::date, (r.data ->> 'valid_to')::date, '[]')
    end
  from core.import_row as r
  left join core.item as i on i.org_id = r.org_id and i.sku = r.data ->> 'item'
  left join core.unit as f on f.code = r.data ->> 'from_unit'
  left join core.unit as t on t.code = r.data ->> 'to_unit'
  left join core.unit_conversion as c
    on c.org_id = r.org_id
    and c.item_id is not distinct from i.id
    and c.from_unit = f.code
    and c.to_unit = t.code
    and lower(c.valid) is not distinct from (r.data ->> 'valid_from')::date
  where r.org_id = (select core.org_id())
    and r.import_id = import_unit_conversions.import_id
    and r.line between import_unit_conversions.first_line and import_unit_conversions.last_line
    and r.problems is null;
end;

comment on function core.import_unit_conversions(uuid, integer, integer) is
  'Staged rows as rows of core.unit_conversion, by item, units and first day; the last day is included';

grant execute on function core.import_unit_conversions(uuid, integer, integer) to member, superadmin, migrator;

create or replace function core.import_exchange_rates(import_id uuid, first_line integer, last_line integer)
returns table (
  line integer,
  match_id uuid,
  problems jsonb,
  from_currency text,
  to_currency text,
  rate numeric,
  valid daterange,
  source text
)
language sql
stable
parallel safe
begin atomic
  select
    r.line,
    x.id,
    core.import_problems(
      case
        when f.code is null then core.import_problem(
          'from_currency', 'core.import_reference', r.data ->> 'from_currency', '{"entity": "currency"}'
        )
      end,
      case
        when t.code is null then core.import_problem(
          'to_currency', 'core.import_reference', r.data ->> 'to_currency', '{"entity": "currency"}'
        )
      end,
      case
        when (r.data ->> 'rate')::numeric <= 0
          then core.import_problem('rate', 'core.import_not_positive', r.data ->> 'rate')
      end,
      case
        when (r.data ->> 'valid_to')::date < (r.data ->> 'valid_from')::date
          then core.import_problem('valid_to', 'core.import_order', r.data ->> 'valid_to', '{"other": "valid_from"}')
      end
    ),
    r.data ->> 'from_currency',
    r.data ->> 'to_currency',
    (r.data ->> 'rate')::numeric,
    case
      when (r.data ->> 'valid_to')::date < (r.data ->> 'valid_from')::date then null
      else daterange((r.data ->> 'valid_from')::date, (r.data ->> 'valid_to')::date, '[]')
    end,
    r.data ->> 'source'
  from core.import_row as r
  left join core.currency as f on f.code = r.data ->> 'from_currency'
  left join core.currency as t on t.code = r.data ->> 'to_currency'
  left join core.exchange_rate as x
    on x.org_id = r.org_id
    and x.from_currency = f.code
    and x.to_currency = t.code
    and x.valid @> (r.data ->> 'valid_from')::date
    and lower(x.valid) = (r.data ->> 'valid_from')::date
  where r.org_id = (select core.org_id())
    and r.import_id = import_exchange_rates.import_id
    and r.line between import_exchange_rates.first_line and import_exchange_rates.last_line
    and r.problems is null;
end;

comment on function core.import_exchange_rates(uuid, integer, integer) is
  'Staged rows as rows of core.exchange_rate, by currencies and first day; the last day is included, none: until further notice';

grant execute on function core.import_exchange_rates(uuid, integer, integer) to member, superadmin, migrator;
