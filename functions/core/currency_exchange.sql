-- Conversion of amounts, for clients.

create or replace function api.currency_exchange(
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
  v_amount numeric := core.exchange(
    currency_exchange.amount, currency_exchange.from_currency, currency_exchange.to_currency, currency_exchange.on_date
  );
begin
  return round(v_amount, (select c.decimals from core.currency as c where c.code = currency_exchange.to_currency));
end
$$;

comment on function api.currency_exchange(numeric, text, text, date) is
  E'Convert an amount between currencies\n'
  'By the rates of the organisation on on_date (today if left out): the direct one, else its inverse, else through '
  'the base currency. Returns the amount in to_currency, rounded to its minor unit. Errors: core.currency_unknown '
  '(422), core.no_exchange_rate (422).';

grant execute on function api.currency_exchange(numeric, text, text, date) to member, superadmin;
