-- Adjustments: seen by members, written by functions.

grant select, insert, update, delete on wms.adjustment to migrator;
grant select on wms.adjustment to member, superadmin, analyst;
grant select on api.wms_adjustments to member, superadmin, migrator;

create policy owner_all on wms.adjustment
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.adjustment
to migrator
using (true)
with check (true);

create policy member_select on wms.adjustment
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.adjustment
for select to superadmin
using (true);

create policy analyst_select on wms.adjustment
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update: api.wms_stock_adjust makes them, wms.decide_adjustment ends them
-- no delete: what was asked and refused stays
-- no partner: stock is a matter of the warehouse
