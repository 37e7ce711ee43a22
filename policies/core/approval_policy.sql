-- Who has to agree to what: every member sees it, who may changes it.

grant select on core.approval_policy to member, superadmin;
grant insert (org_id, id, entity, kind, step_no, amount_from, currency, permission, needs_signature, note)
on core.approval_policy to member, superadmin;
grant update (kind, step_no, amount_from, currency, permission, needs_signature, note, version)
on core.approval_policy to member, superadmin;
grant delete on core.approval_policy to member, superadmin;
grant select on api.approval_policies to member, superadmin;
grant insert (org_id, id, entity, kind, step_no, amount_from, currency, permission, needs_signature, note)
on api.approval_policies to member, superadmin;
grant update (kind, step_no, amount_from, currency, permission, needs_signature, note, version)
on api.approval_policies to member, superadmin;
grant delete on api.approval_policies to member, superadmin;
grant select, insert, update, delete on core.approval_policy to migrator;

create policy owner_all on core.approval_policy for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.approval_policy for all to migrator
using (true)
with check (true);

create policy member_select on core.approval_policy for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.approval_policy for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.approval_policy.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on core.approval_policy for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.approval_policy.update')));

create policy member_delete on core.approval_policy for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.approval_policy.delete')));

-- nothing for partner: internal

create policy superadmin_select on core.approval_policy for select to superadmin
using (true);

create policy superadmin_insert on core.approval_policy for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.approval_policy for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.approval_policy for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: access control is not analysed with SQL
