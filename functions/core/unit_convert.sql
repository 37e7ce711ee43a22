-- Conversion of quantities, for clients.

create or replace function api.unit_convert(
  quantity numeric,
  from_unit text,
  to_unit text,
  item_id uuid default null,
  on_date date default null
)
returns numeric
language sql
stable
parallel safe
return core.convert(
  unit_convert.quantity, unit_convert.from_unit, unit_convert.to_unit, unit_convert.item_id, unit_convert.on_date
);

comment on function api.unit_convert(numeric, text, text, uuid, date) is
  E'Convert a quantity between units of measure\n'
  'quantity: in from_unit. item_id: use the conversions of this item first. on_date: conversions that hold on that '
  'day, today if left out. Returns the quantity in to_unit, exact up to 20 digits after the point and not rounded '
  'to the decimals of the unit. Errors: core.unit_unknown (422), core.no_conversion (422).';

grant execute on function api.unit_convert(numeric, text, text, uuid, date) to partner, member, superadmin;
