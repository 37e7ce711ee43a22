-- Closed days: read by members, written by the functions that close and reopen.

grant select, insert, update, delete on wms.stock_period to migrator;
grant select on wms.stock_period to member, superadmin, analyst;

create policy owner_all on wms.stock_period
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.stock_period
to migrator
using (true)
with check (true);

create policy member_select on wms.stock_period
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.stock_period
for select to superadmin
using (true);

create policy analyst_select on wms.stock_period
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update: api.wms_period_close and api.wms_period_reopen write it
-- no delete: it says what is closed
