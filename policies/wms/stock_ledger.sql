-- The ledger: read by members, added to by posting, changed by nobody (a trigger refuses it to the owner as well).

grant select, insert on wms.stock_ledger to migrator;
grant select on wms.stock_ledger to member, superadmin, analyst;
grant select on api.wms_ledger to member, superadmin, migrator;

create policy owner_all on wms.stock_ledger
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_select on wms.stock_ledger
for select to migrator
using (true);

create policy migrator_insert on wms.stock_ledger
for insert to migrator
with check (true);

create policy member_select on wms.stock_ledger
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.stock_ledger
for select to superadmin
using (true);

create policy analyst_select on wms.stock_ledger
for select to analyst
using (org_id = (select core.org_id()));

-- no insert: api.wms_document_post writes it
-- no update, delete: what was written stays
-- no partner: where goods lie is a matter of the warehouse
