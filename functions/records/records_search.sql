-- Finds crates and documents by parts of what is written on them.

create type api.records_found as (
  kind text,
  id uuid,
  code text,
  name text,
  unit_id uuid,
  crate_id uuid,
  crate_barcode text
);

comment on type api.records_found is 'A crate, or a document with the crate that it belongs into';

create or replace function api.records_search(query text, max_rows integer default 20)
returns setof api.records_found
language plpgsql
stable
parallel safe
-- definer: a part of a name cannot use its index below a policy; which units the caller sees is asked here
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_org uuid := core.org_id();
  v_text text := core.search_text(btrim(query));
  v_like text := '%' || replace(replace(replace(v_text, '\', '\\'), '%', '\%'), '_', '\_') || '%';
  v_crates uuid[] := records.all_permitted_units('records.crate.read');
  v_documents uuid[] := records.all_permitted_units('records.document.read');
  v_is_central boolean := records.is_in_central();
begin
  if length(coalesce(v_text, '')) < 3 then
    perform core.raise_error('records.search_too_short');
  elsif max_rows is null or max_rows not between 1 and 100 then
    perform core.raise_error('records.search_rows', jsonb_build_object('max_rows', max_rows));
  end if;
  return query
  select f.kind, f.id, f.code, f.name, f.unit_id, f.crate_id, f.crate_barcode
  from (
    (
      select 'CRATE' as kind, c.id, c.barcode as code, null::text as name, c.unit_id, c.id as crate_id, c.barcode as crate_barcode
      from records.crate as c
      where c.org_id = v_org
        and c.barcode ilike v_like
        and (c.unit_id = any (v_crates) or c.bound_for_id = any (v_crates) or (c.is_for_central and v_is_central))
      order by c.barcode
      limit records_search.max_rows
    )
    union all
    (
      select 'DOCUMENT', d.id, d.document_number, d.name, d.unit_id, k.id, k.barcode
      from records.document as d
      left join records.crate_document as e
        on e.org_id = d.org_id
        and e.document_id = d.id
        and e.removed_at is null
      left join records.crate as k
        on k.org_id = e.org_id
        and k.id = e.crate_id
      where d.org_id = v_org
        and d.search_text like v_like
        and (d.unit_id = any (v_documents) or (k.is_for_central and v_is_central))
      order by d.document_number
      limit records_search.max_rows
    )
  ) as f
  order by f.kind, f.code, f.id
  limit records_search.max_rows;
end
$$;

comment on function api.records_search(text, integer) is
  'Find crates and documents by a part of barcode, number or name
query has three characters or more, small and capital alike, accents left out; max_rows 1 to 100 (20). Of what the caller sees.';

grant execute on function api.records_search(text, integer) to member, superadmin, migrator;
