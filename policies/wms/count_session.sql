-- Counts: seen by members, written by functions.

grant select, insert, update, delete on wms.count_session to migrator;
grant select on wms.count_session to member, superadmin, analyst;
grant select on api.wms_counts to member, superadmin, migrator;

create policy owner_all on wms.count_session
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.count_session
to migrator
using (true)
with check (true);

create policy member_select on wms.count_session
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.count_session
for select to superadmin
using (true);

create policy analyst_select on wms.count_session
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update: api.wms_count_plan and the functions of each step
-- no delete: a count is cancelled, and keeps saying why
-- no partner: stock is a matter of the warehouse
