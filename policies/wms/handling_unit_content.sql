-- Contents of handling units: seen by members, written by functions.

grant select, insert, update, delete on wms.handling_unit_content to migrator;
grant select on wms.handling_unit_content to member, superadmin, analyst;
grant select on api.wms_handling_unit_contents to member, superadmin, migrator;

create policy owner_all on wms.handling_unit_content
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.handling_unit_content
to migrator
using (true)
with check (true);

create policy member_select on wms.handling_unit_content
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.handling_unit_content
for select to superadmin
using (true);

create policy analyst_select on wms.handling_unit_content
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: the functions of handling units keep contents and balances together
-- no partner: what lies where is a matter of the warehouse
