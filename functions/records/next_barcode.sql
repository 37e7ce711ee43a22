-- Barcodes of crates: UNIT/DEPARTMENT[/SECTION]/YEAR/00001.

create or replace function records.next_barcode(crate_id uuid, unit_id uuid)
returns text
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_org uuid := core.org_id();
  v_codes text[];
  v_from integer;
  v_pattern text;
begin
  -- Every department and section counts for itself; its series is made with its first crate.
  if not exists (
    select
    from core.number_series as s
    where s.org_id = v_org
      and s.document_type = 'records.crate'
      and s.unit_id = next_barcode.unit_id
  ) then
    select
      array_agg(a.code order by public.nlevel(a.path)),
      max(public.nlevel(a.path)) filter (where a.kind not in ('DEPARTMENT', 'SECTION'))
    into v_codes, v_from
    from core.org_unit as u
    inner join core.org_unit as a
      on a.org_id = u.org_id
      and a.path operator (public.@>) u.path
    where u.org_id = v_org
      and u.id = next_barcode.unit_id;
    v_codes[cardinality(v_codes)] := '{unit}';
    v_pattern := array_to_string(v_codes[coalesce(v_from, 1):], '/') || '/{year}/{number:5}';
    if exists (
      select
      from core.number_series as s
      inner join core.org_unit as o
        on o.org_id = s.org_id
        and o.id = s.unit_id
      inner join core.org_unit as u
        on u.org_id = o.org_id
        and u.id = next_barcode.unit_id
        and u.code = o.code
      where s.org_id = v_org
        and s.document_type = 'records.crate'
        and s.pattern = v_pattern
    ) then
      -- Two units of the same code in two branches.
      v_pattern := array_to_string(v_codes, '/') || '/{year}/{number:5}';
    end if;
    insert into core.number_series (org_id, document_type, unit_id, pattern, reset)
    values (v_org, 'records.crate', next_barcode.unit_id, v_pattern, 'YEAR')
    on conflict on constraint one_series_per_type_and_unit do nothing;
  end if;
  return core.next_number('records.crate', crate_id, unit_id);
end
$$;

comment on function records.next_barcode(uuid, uuid) is
  'The next barcode of a department or section: the codes from its unit down, the year, a number without gaps.';

create or replace function records.check_unit(unit_id uuid)
returns void
language plpgsql
stable
parallel safe
as $$
declare
  v_unit core.org_unit;
begin
  select u.*
  into v_unit
  from core.org_unit as u
  where u.org_id = core.org_id()
    and u.id = check_unit.unit_id;
  if not found then
    perform core.raise_error('records.unit_unknown', jsonb_build_object('id', unit_id));
  elsif v_unit.kind not in ('DEPARTMENT', 'SECTION') then
    perform core.raise_error('records.unit_not_a_department', jsonb_build_object('unit', v_unit.code, 'kind', v_unit.kind));
  elsif not v_unit.is_active then
    perform core.raise_error('records.unit_inactive', jsonb_build_object('unit', v_unit.code));
  end if;
end
$$;

comment on function records.check_unit(uuid) is
  'Raises records.unit_unknown, unit_not_a_department, unit_inactive (422) unless crates and documents may belong to it.';
