-- Certificates of destruction: seen in the units in which one reads requests; a function writes them.

grant select, insert on records.destruction_certificate to migrator;
grant select on records.destruction_certificate to member, superadmin, analyst;
grant select on api.records_certificates to member, superadmin, migrator;

create policy owner_select on records.destruction_certificate
for select to owner
using (org_id = (select core.org_id()));

create policy owner_insert on records.destruction_certificate
for insert to owner
with check (org_id = (select core.org_id()));

create policy migrator_all on records.destruction_certificate
to migrator
using (true)
with check (true);

create policy member_select on records.destruction_certificate
for select to member
using (
  org_id = (select core.org_id())
  and unit_id = any ((select records.all_permitted_units('records.request.read'))::uuid[])
);

create policy superadmin_select on records.destruction_certificate
for select to superadmin
using (true);

create policy analyst_select on records.destruction_certificate
for select to analyst
using (org_id = (select core.org_id()));

-- no insert: api.records_destruction_confirm; no update, no delete: append-only, a trigger says so to everybody
-- no partner: records are a matter of the organisation
