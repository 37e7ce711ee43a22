-- Balances: read by members, written by posting.

grant select, insert, update, delete on wms.balance to migrator;
grant select on wms.balance to member, superadmin, analyst;
grant select on api.wms_stock to member, superadmin, migrator;

create policy owner_all on wms.balance
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.balance
to migrator
using (true)
with check (true);

create policy member_select on wms.balance
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.balance
for select to superadmin
using (true);

create policy analyst_select on wms.balance
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: api.wms_document_post writes balances
-- no partner: stock is a matter of the warehouse
