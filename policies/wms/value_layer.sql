-- Layers of value: read by members, written by posting.

grant select, insert, update, delete on wms.value_layer to migrator;
grant select on wms.value_layer to member, superadmin, analyst;

create policy owner_all on wms.value_layer
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.value_layer
to migrator
using (true)
with check (true);

create policy member_select on wms.value_layer
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.value_layer
for select to superadmin
using (true);

create policy analyst_select on wms.value_layer
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: posting writes them
-- no partner: what stock is worth is a matter of the organisation
