-- Reads what a GS1 barcode holds.

create or replace function wms.is_gs1_number(digits text)
returns boolean
language sql
immutable
parallel safe
return is_gs1_number.digits ~ '^[0-9]{8,18}$' and (
  select sum(
    substr(is_gs1_number.digits, n, 1)::integer * case when (length(is_gs1_number.digits) - n) % 2 = 1 then 3 else 1 end
  ) % 10 = 0
  from generate_series(1, length(is_gs1_number.digits)) as n
);

comment on function wms.is_gs1_number(text) is
  'Whether the last digit of a GTIN or SSCC is its check digit (GS1 General Specifications, 7.9).';

create or replace function wms.gs1_date(digits text)
returns date
language plpgsql
immutable
parallel safe
as $$
declare
  v_year integer;
  v_month integer;
  v_day integer;
begin
  if digits !~ '^[0-9]{6}$' then
    return null;
  end if;
  v_year := 2000 + left(digits, 2)::integer;
  v_month := substr(digits, 3, 2)::integer;
  v_day := right(digits, 2)::integer;
  if v_month not between 1 and 12 or v_day > extract(day from make_date(v_year, v_month, 1) + interval '1 month - 1 day') then
    return null;
  elsif v_day = 0 then
    return make_date(v_year, v_month, 1) + interval '1 month - 1 day';
  end if;
  return make_date(v_year, v_month, v_day);
end
$$;

comment on function wms.gs1_date(text) is
  'The day of YYMMDD of this century, the last of the month when the day is 00; null when there is no such day.';

-- Which application identifiers there are and how long their values: a value of no fixed length ends with FNC1 (GS).
create or replace function wms.gs1_value_length(ai text)
returns integer
language sql
immutable
parallel safe
return case
  when gs1_value_length.ai = '00' then 18
  when gs1_value_length.ai in ('01', '02') then 14
  when gs1_value_length.ai in ('11', '12', '13', '15', '16', '17') then 6
  when gs1_value_length.ai = '20' then 2
  when gs1_value_length.ai ~ '^41[0-7]$' then 13
  when gs1_value_length.ai ~ '^3[1-6][0-9][0-9]$' then 6
  when gs1_value_length.ai = '422' then 3
  when gs1_value_length.ai = '402' then 17
end;

comment on function wms.gs1_value_length(text) is
  'How many characters the value of an application identifier has; null: up to FNC1';

create or replace function wms.read_gs1(code text)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_gs constant text := chr(29);
  v_rest text := regexp_replace(code, '^\](C1|d2|Q3|e0)', '');
  v_is_marked boolean := code ~ '^\](C1|d2|Q3|e0)' or strpos(code, chr(29)) > 0;
  v_ai text;
  v_length integer;
  v_value text;
  v_found jsonb := '{}';
begin
  -- Written out for people: (01)09506000134352(10)ABC.
  if v_rest ~ '^\([0-9]{2,4}\)' then
    for v_ai, v_value in
      select m.part[1], m.part[2] from regexp_matches(v_rest, '\(([0-9]{2,4})\)([^(]*)', 'g') as m (part)
    loop
      v_found := v_found || jsonb_build_object(v_ai, rtrim(v_value, v_gs));
    end loop;
    return v_found;
  end if;

  -- A bare number that starts like a GTIN or an SSCC with its identifier, and is one.
  if not v_is_marked and not (
    (v_rest ~ '^0[12][0-9]{14}' and length(v_rest) > 16 - 1 and wms.is_gs1_number(substr(v_rest, 3, 14)))
    or (v_rest ~ '^00[0-9]{18}$' and wms.is_gs1_number(substr(v_rest, 3)))
  ) then
    return null;
  end if;
  v_rest := ltrim(v_rest, v_gs);
  while v_rest <> '' loop
    v_ai := case
      when v_rest ~ '^3[1-69]' then left(v_rest, 4)
      when v_rest ~ '^(2[4-9]|4[0-2])' then left(v_rest, 3)
      when v_rest ~ '^[0-9]{2}' then left(v_rest, 2)
    end;
    if v_ai is null then
      return null;
    end if;
    v_rest := substr(v_rest, length(v_ai) + 1);
    v_length := wms.gs1_value_length(v_ai);
    v_value := case when v_length is null then split_part(v_rest, v_gs, 1) else left(v_rest, v_length) end;
    if v_value = '' or length(v_value) < v_length then
      return null;
    end if;
    v_found := v_found || jsonb_build_object(v_ai, v_value);
    v_rest := ltrim(substr(v_rest, length(v_value) + 1), v_gs);
  end loop;
  return nullif(v_found, '{}');
end
$$;

comment on function wms.read_gs1(text) is
  'The application identifiers of a GS1 barcode and their values: written with brackets, or as a scanner sends it, with its '
  'symbology identifier or FNC1 as GS (character 29). Null when it is none.';

grant execute on function wms.is_gs1_number(text) to member, superadmin, migrator;
grant execute on function wms.gs1_date(text) to member, superadmin, migrator;
grant execute on function wms.gs1_value_length(text) to member, superadmin, migrator;
grant execute on function wms.read_gs1(text) to member, superadmin, migrator;
