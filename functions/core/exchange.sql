-- Conversion between currencies.

create or replace function core.exchange(
  amount numeric,
  from_currency text,
  to_currency text,
  on_date date default null
)
returns numeric
language plpgsql
stable
parallel safe
as $$
declare
  v_on date := coalesce(exchange.on_date, core.today());
  v_code text;
  v_base text;
  v_leg record;
  v_other record;
begin
  foreach v_code in array array[exchange.from_currency, exchange.to_currency] loop
    if not exists (select from core.currency as c where c.code = v_code) then
      perform core.raise_error('core.currency_unknown', jsonb_build_object('currency', v_code));
    end if;
  end loop;
  if exchange.from_currency = exchange.to_currency then
    return exchange.amount;
  end if;

  select * into v_leg from core.exchange_factor(exchange.from_currency, exchange.to_currency, v_on);
  if v_leg.numerator is null then
    select o.base_currency into v_base from core.organization as o where o.id = core.org_id();
    select * into v_leg from core.exchange_factor(exchange.from_currency, v_base, v_on);
    select * into v_other from core.exchange_factor(v_base, exchange.to_currency, v_on);
    v_leg.numerator := v_leg.numerator * v_other.numerator;
    v_leg.denominator := v_leg.denominator * v_other.denominator;
  end if;
  if v_leg.numerator is null then
    perform core.raise_error(
      'core.no_exchange_rate',
      jsonb_build_object('from_currency', exchange.from_currency, 'to_currency', exchange.to_currency, 'on_date', v_on)
    );
  end if;
  return trim_scale(round(round(exchange.amount * v_leg.numerator, 24) / v_leg.denominator, 20));
end
$$;

comment on function core.exchange(numeric, text, text, date) is
  'amount of from_currency in to_currency on on_date (today), not rounded to its minor unit. By the rate between '
  'the two, else its inverse, else through the base currency of the organisation. Raises core.currency_unknown '
  '(422), core.no_exchange_rate (422).';

grant execute on function core.exchange(numeric, text, text, date) to partner, member, superadmin, migrator;
