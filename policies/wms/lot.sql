-- Lots: members see them all, register them and change expiry and remark; the status has its function.

grant select, insert, update, delete on wms.lot to migrator;
grant select on wms.lot to member, superadmin, analyst;
grant insert (id, item_id, lot_no, expires_on, note) on wms.lot to member, superadmin;
grant update (lot_no, expires_on, note, version) on wms.lot to member, superadmin;
grant select on api.wms_lots to member, superadmin, migrator;
grant insert (id, item_id, lot_no, expires_on, note) on api.wms_lots to member, superadmin, migrator;
grant update (lot_no, expires_on, note, version) on api.wms_lots to member, superadmin, migrator;

create policy owner_all on wms.lot
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.lot
to migrator
using (true)
with check (true);

create policy member_select on wms.lot
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.lot
for select to superadmin
using (true);

create policy analyst_select on wms.lot
for select to analyst
using (org_id = (select core.org_id()));

create policy member_insert on wms.lot
for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.lot.create')));

create policy member_update on wms.lot
for update to member
using (org_id = (select core.org_id()) and (select core.has_permission('wms.lot.update')))
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.lot.update')));

create policy superadmin_insert on wms.lot
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on wms.lot
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- no delete: the ledger refers to lots for ever
-- no partner: lots are a matter of the warehouse
