-- What is in crates: seen by whoever sees the crate.

grant select, insert, update, delete on records.crate_document to migrator;
grant select on records.crate_document to member, superadmin, analyst;
grant select on api.records_crate_documents to member, superadmin, migrator;

create policy owner_all on records.crate_document
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.crate_document
to migrator
using (true)
with check (true);

create policy member_select on records.crate_document
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.crate as p
    where p.org_id = crate_document.org_id
      and p.id = crate_document.crate_id
  )
);

create policy superadmin_select on records.crate_document
for select to superadmin
using (true);

create policy analyst_select on records.crate_document
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: requests and imports write contents
-- no partner: records are a matter of the organisation
