-- How document numbers look.

grant select on core.number_series to member, superadmin;
grant insert (org_id, id, document_type, unit_id, pattern, reset) on core.number_series to member, superadmin;
grant update (pattern, reset, version) on core.number_series to member, superadmin;
grant select on api.number_series to member, superadmin;
grant insert (org_id, id, document_type, unit_id, pattern, reset) on api.number_series to member, superadmin;
grant update (pattern, reset, version) on api.number_series to member, superadmin;
grant select, insert, update, delete on core.number_series to migrator;

create policy owner_all on core.number_series for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.number_series for all to migrator
using (true)
with check (true);

create policy member_select on core.number_series for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.number_series for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.number_series.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.number_series for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.number_series.update')));

-- no delete: numbers were given from it

-- nothing for partner: internal

create policy superadmin_select on core.number_series for select to superadmin
using (true);

create policy superadmin_insert on core.number_series for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.number_series for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- nothing for analyst: they read the register
