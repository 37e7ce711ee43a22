-- Lines of counts: seen by members, written by functions.

grant select, insert, update, delete on wms.count_line to migrator;
grant select on wms.count_line to member, superadmin, analyst;
grant select on api.wms_count_lines to member, superadmin, migrator;

create policy owner_all on wms.count_line
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.count_line
to migrator
using (true)
with check (true);

create policy member_select on wms.count_line
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.count_line
for select to superadmin
using (true);

create policy analyst_select on wms.count_line
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: api.wms_count_start makes the list, api.wms_count_record what was counted
-- no partner: stock is a matter of the warehouse
