-- Settings of the organisation; api.settings shows them with their definitions, api.setting_put writes them.

grant select, delete on core.setting to member, superadmin;
grant insert (org_id, code, value), update (value) on core.setting to member, superadmin;
grant select on api.settings to member, superadmin;
grant select, insert, update, delete on core.setting to migrator;

create policy owner_all on core.setting for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.setting for all to migrator
using (true)
with check (true);

create policy member_select on core.setting for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.setting for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.setting.update')));

create policy member_update on core.setting for update to member
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()) and (select core.has_permission('core.setting.update')));

create policy member_delete on core.setting for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.setting.update')));

-- nothing for partner: functions obey settings, EXTERNAL users do not read them

create policy superadmin_select on core.setting for select to superadmin
using (true);

create policy superadmin_insert on core.setting for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_update on core.setting for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.setting for delete to superadmin
using (org_id = (select core.org_id()));

-- nothing for analyst: settings are not data to analyse
