-- Imports: whoever may import sees his own, with the permission all of the organisation.

grant select on core.import to member, superadmin;
grant insert (
  id, entity, source_name, source_sha256, headers, columns, options, duplicate_of
) on core.import to member, superadmin;
grant update (
  row_count, refused_count, insert_count, update_count, unchanged_count, is_partial, committed_at
) on core.import to member, superadmin;
-- Read only there: api.import_stage and api.import_commit write.
grant select on api.imports to member, superadmin;
grant select, insert, update, delete on core.import to migrator;

create policy owner_all on core.import for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.import for all to migrator
using (true)
with check (true);

create policy member_select on core.import for select to member
using (org_id = (select core.org_id()) and created_by = (select core.user_id()));

create policy member_select_organization on core.import for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.import.read')));

create policy member_insert on core.import for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.import.create')));

create policy member_update on core.import for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.import.create')));

-- no delete: what became of a file is kept

-- nothing for partner and analyst: rows of files hold what only their table's readers may see

create policy superadmin_select on core.import for select to superadmin
using (true);

create policy superadmin_insert on core.import for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.import for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));
