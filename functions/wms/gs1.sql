-- Numbers after GS1.

create or replace function wms.gs1_check_digit(digits text)
returns text
language sql
immutable
parallel safe
return (
  select ((10 - sum(substr(gs1_check_digit.digits, n, 1)::integer
    * case when (length(gs1_check_digit.digits) - n) % 2 = 0 then 3 else 1 end) % 10) % 10)::text
  from generate_series(1, length(gs1_check_digit.digits)) as n
);

comment on function wms.gs1_check_digit(text) is
  'The digit that a GS1 number (SSCC, GTIN) ends with, of the digits before it: from the right they count three times and '
  'once by turns, and what is missing to the next ten is the check digit (GS1 General Specifications, 7.9).';

create or replace function wms.make_sscc(handling_unit_id uuid)
returns text
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_prefix text := core.setting('wms.gs1_company_prefix') #>> '{}';
  v_serial text;
  v_digits text;
begin
  if v_prefix = '' then
    perform core.raise_error('wms.sscc_missing');
  elsif v_prefix !~ '^[0-9]{7,10}$' then
    perform core.raise_error('wms.gs1_prefix_invalid', jsonb_build_object('prefix', v_prefix));
  end if;
  v_serial := core.next_number('wms.sscc', make_sscc.handling_unit_id);
  if v_serial !~ '^[0-9]+$' or length(v_serial) > 16 - length(v_prefix) then
    perform core.raise_error('wms.sscc_used_up', jsonb_build_object('serial', v_serial));
  end if;
  -- The extension digit is 0; the serial reference fills what the prefix leaves.
  v_digits := '0' || v_prefix || lpad(v_serial, 16 - length(v_prefix), '0');
  return v_digits || wms.gs1_check_digit(v_digits);
end
$$;

comment on function wms.make_sscc(uuid) is
  'The next SSCC of the organisation: extension digit, company prefix (setting), serial reference, check digit. Raises '
  'wms.sscc_missing, wms.gs1_prefix_invalid, wms.sscc_used_up (422).';
