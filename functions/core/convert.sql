-- Conversion between units of measure.

create or replace function core.convert(
  quantity numeric,
  from_unit text,
  to_unit text,
  item_id uuid default null,
  on_date date default null
)
returns numeric
language plpgsql
stable
parallel safe
as $$
declare
  v_from core.unit;
  v_to core.unit;
  v_numerator numeric;
  v_denominator numeric;
begin
  select * into v_from from core.unit as u where u.code = convert.from_unit;
  select * into v_to from core.unit as u where u.code = convert.to_unit;
  if v_from.code is null or v_to.code is null then
    perform core.raise_error(
      'core.unit_unknown',
      jsonb_build_object('unit', case when v_from.code is null then convert.from_unit else convert.to_unit end)
    );
  end if;
  if v_from.code = v_to.code then
    return convert.quantity;
  end if;

  if v_from.dimension = v_to.dimension and v_from.dimension <> 'PACKAGE' then
    v_numerator := v_from.factor_numerator * v_to.factor_denominator;
    v_denominator := v_from.factor_denominator * v_to.factor_numerator;
  else
    -- From unit to unit over at most three conversions; between two of them the dimension's own factors apply.
    -- What is said of the item goes before what the organisation says of all items, then the shorter path.
    with recursive
    edge as (
      select c.id, c.item_id is null as is_general, c.from_unit as a, c.to_unit as b, c.factor_numerator as n,
        c.factor_denominator as d
      from core.unit_conversion as c
      where c.org_id = core.org_id()
        and (c.item_id is null or c.item_id = convert.item_id)
        and c.valid @> coalesce(convert.on_date, core.today())
      union all
      select c.id, c.item_id is null, c.to_unit, c.from_unit, c.factor_denominator, c.factor_numerator
      from core.unit_conversion as c
      where c.org_id = core.org_id()
        and (c.item_id is null or c.item_id = convert.item_id)
        and c.valid @> coalesce(convert.on_date, core.today())
    ),
    step as (
      select e.id, e.is_general, e.b, a.code as a, a.dimension as a_dimension, b.dimension as b_dimension,
        e.n * a.factor_denominator * b.factor_numerator as n,
        e.d * a.factor_numerator * b.factor_denominator as d
      from edge as e
      join core.unit as a on a.code = e.a
      join core.unit as b on b.code = e.b
    ),
    -- n / d: how many base units of the present dimension one base unit of the first is (PACKAGE: its own base).
    path as (
      select v_from.code as code, v_from.dimension as dimension, v_from.factor_numerator as n,
        v_from.factor_denominator as d, array[]::uuid[] as via, 0 as general
      union all
      select s.b, s.b_dimension, p.n * s.n, p.d * s.d, p.via || s.id, p.general + s.is_general::integer
      from path as p
      join step as s
        on s.a = p.code or (s.a_dimension = p.dimension and p.dimension <> 'PACKAGE')
      where cardinality(p.via) < 3 and s.id <> all (p.via)
    )
    select p.n * v_to.factor_denominator, p.d * v_to.factor_numerator
    into v_numerator, v_denominator
    from path as p
    where p.code = v_to.code or (p.dimension = v_to.dimension and p.dimension <> 'PACKAGE')
    order by p.general, cardinality(p.via), p.via
    limit 1;
    if not found then
      perform core.raise_error(
        'core.no_conversion', jsonb_build_object('from_unit', convert.from_unit, 'to_unit', convert.to_unit)
      );
    end if;
  end if;
  -- Multiplied first and divided once; 20 digits after the point where the fraction does not end.
  return trim_scale(round(round(convert.quantity * v_numerator, 24) / v_denominator, 20));
end
$$;

comment on function core.convert(numeric, text, text, uuid, date) is
  'quantity of from_unit in to_unit, as a fraction and so without rounding up to 20 digits after the point; who '
  'stores it rounds to the decimals of the unit. Units of one dimension by their factors, others by the conversions '
  'of the item, then of the organisation, that hold on on_date (today), over at most three of them. Raises '
  'core.unit_unknown (422), core.no_conversion (422): there is no silent factor 1.';

grant execute on function core.convert(numeric, text, text, uuid, date) to partner, member, superadmin, migrator;
