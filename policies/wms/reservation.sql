-- Reservations: members see who holds the stock; functions write them, the worker finds those that have expired.

grant select, insert, update, delete on wms.reservation to migrator;
grant select on wms.reservation to member, superadmin, analyst, worker;

create policy owner_all on wms.reservation
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.reservation
to migrator
using (true)
with check (true);

create policy member_select on wms.reservation
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.reservation
for select to superadmin
using (true);

create policy analyst_select on wms.reservation
for select to analyst
using (org_id = (select core.org_id()));

create policy worker_select on wms.reservation
for select to worker
using (true);

-- no insert, update, delete: api.wms_document_reserve and posting write them
-- no partner: stock is a matter of the warehouse
