-- Documents: seen and kept in units; Central sees those in crates flagged for it.

grant select, insert, update, delete on records.document to migrator;
grant select on records.document to member, superadmin, analyst;
grant insert (id, unit_id, document_number, name, kind, description, barcode, retention_class_id, dated_on, closed_on, event_on) on records.document to member, superadmin;
grant update (document_number, name, kind, description, barcode, retention_class_id, dated_on, closed_on, event_on, version) on records.document to member, superadmin;
grant select on api.records_documents to member, superadmin, migrator;
grant insert (id, unit_id, document_number, name, kind, description, barcode, retention_class_id, dated_on, closed_on, event_on) on api.records_documents to member, superadmin, migrator;
grant update (document_number, name, kind, description, barcode, retention_class_id, dated_on, closed_on, event_on, version) on api.records_documents to member, superadmin, migrator;

create policy owner_all on records.document
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.document
to migrator
using (true)
with check (true);

create policy member_select on records.document
for select to member
using (
  org_id = (select core.org_id())
  and (
    unit_id = any ((select records.all_permitted_units('records.document.read'))::uuid[])
    or (
      (select records.is_in_central())
      and exists (
        select
        from records.crate_document as d
        inner join records.crate as c
          on c.org_id = d.org_id
          and c.id = d.crate_id
        where d.org_id = document.org_id
          and d.document_id = document.id
          and d.removed_at is null
          and c.is_for_central
      )
    )
  )
);

create policy superadmin_select on records.document
for select to superadmin
using (true);

create policy analyst_select on records.document
for select to analyst
using (org_id = (select core.org_id()));

create policy member_insert on records.document
for insert to member
with check (org_id = (select core.org_id()) and unit_id = any ((select records.all_permitted_units('records.document.create'))::uuid[]));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on records.document
for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and unit_id = any ((select records.all_permitted_units('records.document.update'))::uuid[]));

create policy superadmin_insert on records.document
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on records.document
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- no delete: a document stays, also when it was destroyed
-- no partner: records are a matter of the organisation
