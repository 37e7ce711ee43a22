-- What a hit of the search is called in the records: the policies of the tables decide which rows that are.

create or replace function records.describe_crates(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select c.id, c.barcode, concat_ws(' · ', c.status, records.place_name(u.location_id))
  from records.crate as c
  left join records.custody as u
    on u.org_id = c.org_id
    and u.crate_id = c.id
    and upper_inf(u.during)
  where c.org_id = (select core.org_id())
    and c.id = any (describe_crates.ids);
end;

comment on function records.describe_crates(uuid[]) is 'Barcode, status and place of crates that the caller may see';

grant execute on function records.describe_crates(uuid[]) to member, superadmin;

create or replace function records.describe_documents(ids uuid[])
returns table (id uuid, title text, subtitle text)
language sql
stable
parallel safe
begin atomic
  select d.id, d.name, concat_ws(' · ', d.document_number, d.barcode, nullif(d.status, 'ACTIVE'), c.barcode)
  from records.document as d
  left join records.crate_document as e
    on e.org_id = d.org_id
    and e.document_id = d.id
    and e.removed_at is null
  left join records.crate as c
    on c.org_id = e.org_id
    and c.id = e.crate_id
  where d.org_id = (select core.org_id())
    and d.id = any (describe_documents.ids);
end;

comment on function records.describe_documents(uuid[]) is
  'Name, number, and barcode of the crate, of documents that the caller may see';

grant execute on function records.describe_documents(uuid[]) to member, superadmin;
