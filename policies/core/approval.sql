-- Approvals: seen by who asked, and by who may read those of their unit; functions write them.

grant select on core.approval to member, superadmin;
grant select on api.approvals to member, superadmin;
grant select, insert, update, delete on core.approval to migrator;

create policy owner_all on core.approval for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.approval for all to migrator
using (true)
with check (true);

create policy member_select on core.approval for select to member
using (org_id = (select core.org_id()) and requested_by = (select core.user_id()));

create policy member_select_organization on core.approval for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.approval.read')));

create policy member_select_unit on core.approval for select to member
using (
  org_id = (select core.org_id()) and unit_id = any ((select core.permitted_units('core.approval.read'))::uuid[])
);

create policy superadmin_select on core.approval for select to superadmin
using (true);

-- no insert, no update, no delete: core.request_approval, core.decide_approval, core.withdraw_approval

-- nothing for partner and analyst: internal
