-- Gapless document numbers.

-- Definer: nobody else writes counters and the register. The right to number a document is the right to post it, which
-- the calling function has checked; this one is not in the API.
create or replace function core.next_number(
  document_type text,
  entity_id uuid,
  unit_id uuid default null,
  on_date date default null
)
returns text
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org_id uuid := core.org_id();
  v_series core.number_series;
  v_year text;
  v_unit text;
  v_count bigint;
  v_digits text;
  v_number text;
begin
  if v_org_id is null then
    perform core.raise_error('core.organization_missing');
  end if;
  v_year := to_char(coalesce(next_number.on_date, core.today()), 'FMYYYY');

  select s.*
  into v_series
  from core.number_series as s
  where s.org_id = v_org_id
    and s.document_type = next_number.document_type
    and (s.unit_id = next_number.unit_id or s.unit_id is null)
  order by s.unit_id nulls last
  limit 1;
  if not found then
    insert into core.number_series (org_id, document_type, pattern, reset)
    select v_org_id, p.document_type, p.pattern, p.reset
    from core.number_pattern as p
    where p.document_type = next_number.document_type
    on conflict on constraint one_series_per_type_and_unit do nothing;
    select s.*
    into v_series
    from core.number_series as s
    where s.org_id = v_org_id and s.document_type = next_number.document_type and s.unit_id is null;
    if not found then
      perform core.raise_error(
        'core.number_missing_series', jsonb_build_object('document_type', next_number.document_type)
      );
    end if;
  end if;

  -- This row stays locked until the transaction ends: the next one waits, and takes the same number if we fail.
  insert into core.number_counter as c (org_id, series_id, period, last_number)
  values (v_org_id, v_series.id, case v_series.reset when 'YEAR' then v_year else '' end, 1)
  on conflict on constraint number_counter_pkey do update set last_number = c.last_number + 1
  returning c.last_number into v_count;

  if v_series.pattern like '%{unit}%' then
    select u.code
    into v_unit
    from core.org_unit as u
    where u.org_id = v_org_id and u.id = coalesce(v_series.unit_id, next_number.unit_id);
  end if;
  v_digits := coalesce(substring(v_series.pattern from '\{number:([0-9]{1,2})\}'), '1');
  v_number := lpad(v_count::text, greatest(v_digits::integer, length(v_count::text)), '0');
  v_number := regexp_replace(v_series.pattern, '\{number(:[0-9]{1,2})?\}', v_number, 'g');
  v_number := replace(replace(v_number, '{year}', v_year), '{unit}', coalesce(v_unit, ''));

  insert into core.number_register (org_id, document_type, number, entity_id)
  values (v_org_id, next_number.document_type, v_number, next_number.entity_id)
  on conflict do nothing;
  if not found then
    perform core.raise_error(
      'core.number_taken', jsonb_build_object('document_type', next_number.document_type, 'number', v_number)
    );
  end if;
  return v_number;
end
$$;

comment on function core.next_number(text, uuid, uuid, date) is
  'The next number of a document type for the document entity_id, without gaps: a transaction that fails gives its '
  'number back, others of the same series wait for it. Of the series of unit_id if there is one, else of the '
  'organisation''s; the year is that of on_date (today). Raises core.number_missing_series (422), core.number_taken '
  '(409).';

grant execute on function core.next_number(text, uuid, uuid, date) to partner, member, superadmin, migrator;
