-- Reorder rules: members see them all; making, changing and removing one needs its permission.

grant select, insert, update, delete on wms.reorder_rule to migrator;
grant select on wms.reorder_rule to member, superadmin, analyst;
grant insert (id, item_id, warehouse_id, minimum, maximum, multiple, note) on wms.reorder_rule to member, superadmin;
grant update (minimum, maximum, multiple, note, version) on wms.reorder_rule to member, superadmin;
grant delete on wms.reorder_rule to member, superadmin;
grant select on api.wms_reorder_rules to member, superadmin, migrator;
grant insert (id, item_id, warehouse_id, minimum, maximum, multiple, note) on api.wms_reorder_rules to member, superadmin;
grant update (minimum, maximum, multiple, note, version) on api.wms_reorder_rules to member, superadmin;
grant delete on api.wms_reorder_rules to member, superadmin;
grant select on api.wms_shortages to member, superadmin, migrator;

create policy owner_all on wms.reorder_rule
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.reorder_rule
to migrator
using (true)
with check (true);

create policy member_select on wms.reorder_rule
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.reorder_rule
for select to superadmin
using (true);

create policy analyst_select on wms.reorder_rule
for select to analyst
using (org_id = (select core.org_id()));

create policy member_insert on wms.reorder_rule
for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.reorder_rule.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on wms.reorder_rule
for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.reorder_rule.update')));

create policy member_delete on wms.reorder_rule
for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('wms.reorder_rule.delete')));

create policy superadmin_insert on wms.reorder_rule
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on wms.reorder_rule
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on wms.reorder_rule
for delete to superadmin
using (org_id = (select core.org_id()));

-- no partner: what is kept in stock is a matter of the warehouse
