-- Handling units: seen by members, written by functions.

grant select, insert, update, delete on wms.handling_unit to migrator;
grant select on wms.handling_unit to member, superadmin, analyst;
grant select on api.wms_handling_units to member, superadmin, migrator;

create policy owner_all on wms.handling_unit
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.handling_unit
to migrator
using (true)
with check (true);

create policy member_select on wms.handling_unit
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.handling_unit
for select to superadmin
using (true);

create policy analyst_select on wms.handling_unit
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update: their functions keep them and the balances together
-- no delete: a number is not given twice
-- no partner: what lies where is a matter of the warehouse
