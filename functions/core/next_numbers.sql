-- Gapless document numbers, any number of them at once.

-- Definer: nobody else writes counters and the register. The right to number a document is the right to post it, which
-- the calling function has checked; this one is not in the API.
create or replace function core.next_numbers(
  document_type text,
  entity_ids uuid[],
  unit_id uuid default null,
  on_date date default null
)
returns text[]
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
-- one plan per statement and session: planning under row level security costs more than running
set plan_cache_mode = force_generic_plan
as $$
declare
  v_org_id uuid := core.org_id();
  v_series core.number_series;
  v_year text;
  v_unit text;
  v_count integer := cardinality(next_numbers.entity_ids);
  v_digits integer;
  v_pattern text;
  v_last bigint;
  v_numbers text[];
  v_taken text;
begin
  if v_org_id is null then
    perform core.raise_error('core.organization_missing');
  end if;
  v_year := to_char(coalesce(next_numbers.on_date, core.today()), 'FMYYYY');

  select s.*
  into v_series
  from core.number_series as s
  where s.org_id = v_org_id
    and s.document_type = next_numbers.document_type
    and (s.unit_id = next_numbers.unit_id or s.unit_id is null)
  order by s.unit_id nulls last
  limit 1;
  if not found then
    insert into core.number_series (org_id, document_type, pattern, reset)
    select v_org_id, p.document_type, p.pattern, p.reset
    from core.number_pattern as p
    where p.document_type = next_numbers.document_type
    on conflict on constraint one_series_per_type_and_unit do nothing;
    select s.*
    into v_series
    from core.number_series as s
    where s.org_id = v_org_id and s.document_type = next_numbers.document_type and s.unit_id is null;
    if not found then
      perform core.raise_error(
        'core.number_missing_series', jsonb_build_object('document_type', next_numbers.document_type)
      );
    end if;
  end if;

  if v_series.pattern like '%{unit}%' then
    select u.code
    into v_unit
    from core.org_unit as u
    where u.org_id = v_org_id and u.id = coalesce(v_series.unit_id, next_numbers.unit_id);
  end if;
  v_digits := coalesce(substring(v_series.pattern from '\{number:([0-9]{1,2})\}'), '1')::integer;
  v_pattern := replace(
    regexp_replace(v_series.pattern, '\{number(:[0-9]{1,2})?\}', '{number}', 'g'), '{year}', v_year
  );

  -- The row of the counter stays locked until the transaction ends: the next one waits, and takes the same numbers if we fail.
  insert into core.number_counter as c (org_id, series_id, period, last_number)
  values (v_org_id, v_series.id, case v_series.reset when 'YEAR' then v_year else '' end, v_count)
  on conflict on constraint number_counter_pkey do update set last_number = c.last_number + v_count
  returning c.last_number - v_count into v_last;
  for v_n in 1..v_count loop
    v_last := v_last + 1;
    v_numbers[v_n] := replace(
      replace(v_pattern, '{number}', lpad(v_last::text, greatest(v_digits, length(v_last::text)), '0')),
      '{unit}', coalesce(v_unit, '')
    );
  end loop;

  insert into core.number_register (org_id, document_type, number, entity_id)
  select v_org_id, next_numbers.document_type, n.number, n.entity_id
  from unnest(v_numbers, next_numbers.entity_ids) as n (number, entity_id)
  on conflict do nothing;
  get diagnostics v_count = row_count;

  if v_count < cardinality(v_numbers) then
    select min(n.number)
    into v_taken
    from unnest(v_numbers, next_numbers.entity_ids) as n (number, entity_id)
    where not exists (
      select
      from core.number_register as r
      where r.org_id = v_org_id
        and r.document_type = next_numbers.document_type
        and r.number = n.number
        and r.entity_id = n.entity_id
    );
    perform core.raise_error(
      'core.number_taken', jsonb_build_object('document_type', next_numbers.document_type, 'number', v_taken)
    );
  end if;
  return v_numbers;
end
$$;

comment on function core.next_numbers(text, uuid[], uuid, date) is
  'The next numbers of a document type for the documents entity_ids, in their order and without gaps: a transaction that '
  'fails gives its numbers back, others of the same series wait for it. Of the series of unit_id if there is one, else of '
  'the organisation''s; the year is that of on_date (today). Raises core.number_missing_series (422), core.number_taken '
  '(409).';

grant execute on function core.next_numbers(text, uuid[], uuid, date) to partner, member, superadmin, migrator;
