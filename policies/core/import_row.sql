-- Rows of imports: seen with their import, for a day.

grant select on core.import_row to member, superadmin;
grant insert (org_id, import_id, line, rank, data, problems) on core.import_row to member, superadmin;
grant update (problems) on core.import_row to member, superadmin;
-- Read only there: api.import_stage and api.import_commit write.
grant select on api.import_rows to member, superadmin;
grant select (import_id), delete on core.import_row to worker;
grant select, insert, update, delete on core.import_row to migrator;

create policy owner_all on core.import_row for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.import_row for all to migrator
using (true)
with check (true);

-- The policies of core.import apply in the sub-select, which is evaluated once a query.
create policy member_select on core.import_row for select to member
using (org_id = (select core.org_id()) and import_id in (select i.id from core.import as i));

create policy member_insert on core.import_row for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.import.create')));

create policy member_update on core.import_row for update to member
using (org_id = (select core.org_id()) and import_id in (select i.id from core.import as i))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.import.create')));

-- no delete for members: core.purge_imports

-- nothing for partner and analyst: as core.import

create policy superadmin_select on core.import_row for select to superadmin
using (true);

create policy superadmin_insert on core.import_row for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.import_row for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- core.purge_imports
create policy worker_select on core.import_row for select to worker
using (import_id < core.uuid_floor(now() - interval '1 day'));

create policy worker_delete on core.import_row for delete to worker
using (import_id < core.uuid_floor(now() - interval '1 day'));
