-- One leg of a currency exchange.

create or replace function core.exchange_factor(
  from_currency text,
  to_currency text,
  on_date date,
  out numerator numeric,
  out denominator numeric
)
language plpgsql
stable
parallel safe
as $$
declare
  v_grace numeric := (core.setting('core.exchange_rate_grace_days') #>> '{}')::numeric;
  v_earliest date := exchange_factor.on_date - greatest(floor(v_grace), 0)::integer;
begin
  if exchange_factor.from_currency = exchange_factor.to_currency then
    numerator := 1;
    denominator := 1;
    return;
  end if;
  -- The rate that holds on the day, else the one that ended last within the days of grace.
  select r.rate, 1
  into numerator, denominator
  from core.exchange_rate as r
  where r.org_id = core.org_id()
    and r.from_currency = exchange_factor.from_currency
    and r.to_currency = exchange_factor.to_currency
    and r.valid && daterange(v_earliest, exchange_factor.on_date, '[]')
  order by r.valid desc
  limit 1;
  if not found then
    select 1, r.rate
    into numerator, denominator
    from core.exchange_rate as r
    where r.org_id = core.org_id()
      and r.from_currency = exchange_factor.to_currency
      and r.to_currency = exchange_factor.from_currency
      and r.valid && daterange(v_earliest, exchange_factor.on_date, '[]')
    order by r.valid desc
    limit 1;
  end if;
end
$$;

comment on function core.exchange_factor(text, text, date) is
  'The rate between two currencies on a day as a fraction, read forwards or backwards; nulls when there is none';

grant execute on function core.exchange_factor(text, text, date) to partner, member, superadmin, migrator;
