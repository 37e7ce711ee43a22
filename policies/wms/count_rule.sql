-- Rules of counting: seen by members, kept by who may; the worker finds the organisations that have some.

grant select, insert, update, delete on wms.count_rule to migrator;
grant select on wms.count_rule to member, superadmin, analyst, worker;
grant insert (id, warehouse_id, zone, item_class, abc_class, every_days, max_lines, is_blind, is_active, note)
on wms.count_rule to member, superadmin;
grant update (zone, item_class, abc_class, every_days, max_lines, is_blind, is_active, note, version)
on wms.count_rule to member, superadmin;
grant delete on wms.count_rule to member, superadmin;
grant select on api.wms_count_rules to member, superadmin, migrator;
grant insert (id, warehouse_id, zone, item_class, abc_class, every_days, max_lines, is_blind, is_active, note)
on api.wms_count_rules to member, superadmin;
grant update (zone, item_class, abc_class, every_days, max_lines, is_blind, is_active, note, version)
on api.wms_count_rules to member, superadmin;
grant delete on api.wms_count_rules to member, superadmin;

create policy owner_all on wms.count_rule
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.count_rule
to migrator
using (true)
with check (true);

create policy member_select on wms.count_rule
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.count_rule
for select to superadmin
using (true);

create policy analyst_select on wms.count_rule
for select to analyst
using (org_id = (select core.org_id()));

create policy worker_select on wms.count_rule
for select to worker
using (true);

create policy member_insert on wms.count_rule
for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.count_rule.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on wms.count_rule
for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.count_rule.update')));

create policy member_delete on wms.count_rule
for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('wms.count_rule.delete')));

create policy superadmin_insert on wms.count_rule
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on wms.count_rule
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on wms.count_rule
for delete to superadmin
using (org_id = (select core.org_id()));

-- no partner: stock is a matter of the warehouse
