-- Put-away rules: seen by members, kept by who may.

grant select, insert, update, delete on wms.put_away_rule to migrator;
grant select on wms.put_away_rule to member, superadmin, analyst;
grant insert (id, warehouse_id, item_id, item_class, zone, is_required) on wms.put_away_rule to member, superadmin;
grant update (warehouse_id, item_id, item_class, zone, is_required, version) on wms.put_away_rule to member, superadmin;
grant delete on wms.put_away_rule to member, superadmin;
grant select on api.wms_put_away_rules to member, superadmin, migrator;
grant insert (id, warehouse_id, item_id, item_class, zone, is_required) on api.wms_put_away_rules to member, superadmin;
grant update (warehouse_id, item_id, item_class, zone, is_required, version) on api.wms_put_away_rules to member, superadmin;
grant delete on api.wms_put_away_rules to member, superadmin;

create policy owner_all on wms.put_away_rule
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.put_away_rule
to migrator
using (true)
with check (true);

create policy member_select on wms.put_away_rule
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.put_away_rule
for select to superadmin
using (true);

create policy analyst_select on wms.put_away_rule
for select to analyst
using (org_id = (select core.org_id()));

create policy member_insert on wms.put_away_rule
for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.put_away_rule.create')));

-- The permission is in the check alone, so that who lacks it is told (403) instead of finding no row.
create policy member_update on wms.put_away_rule
for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.put_away_rule.update')));

create policy member_delete on wms.put_away_rule
for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('wms.put_away_rule.delete')));

create policy superadmin_insert on wms.put_away_rule
for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on wms.put_away_rule
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on wms.put_away_rule
for delete to superadmin
using (org_id = (select core.org_id()));

-- no partner: where goods lie is a matter of the warehouse
