-- Retention classes: read by all members, kept by who may.

grant select, insert, update, delete on records.retention_class to migrator;
grant select on records.retention_class to member, superadmin, analyst;
grant insert (id, code, name, years, counts_from, disposal, legal_basis) on records.retention_class to member, superadmin;
grant update (name, years, counts_from, disposal, legal_basis, is_active, version) on records.retention_class to member, superadmin;
grant select on api.records_retention_classes to member, superadmin, migrator;
grant insert (id, code, name, years, counts_from, disposal, legal_basis) on api.records_retention_classes to member, superadmin, migrator;
grant update (name, years, counts_from, disposal, legal_basis, is_active, version) on api.records_retention_classes to member, superadmin, migrator;

create policy owner_all on records.retention_class
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.retention_class
to migrator
using (true)
with check (true);

create policy member_select on records.retention_class
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on records.retention_class
for select to superadmin
using (true);

create policy analyst_select on records.retention_class
for select to analyst
using (org_id = (select core.org_id()));

create policy member_insert on records.retention_class
for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('records.retention_class.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on records.retention_class
for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('records.retention_class.update')));

create policy superadmin_insert on records.retention_class
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on records.retention_class
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- no delete: documents refer to classes for ever; one is made inactive
-- no partner: records are a matter of the organisation
