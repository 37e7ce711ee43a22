-- Barcodes of items.

grant select on core.item_barcode to member, superadmin, analyst;
grant insert (org_id, barcode, item_id, unit_code) on core.item_barcode to member, superadmin;
grant delete on core.item_barcode to member, superadmin;
grant select on api.item_barcodes to member, superadmin;
grant insert (org_id, barcode, item_id, unit_code) on api.item_barcodes to member, superadmin;
grant delete on api.item_barcodes to member, superadmin;
grant select, insert, update, delete on core.item_barcode to migrator;

create policy owner_all on core.item_barcode for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.item_barcode for all to migrator
using (true)
with check (true);

create policy member_select on core.item_barcode for select to member
using (org_id = (select core.org_id()));

create policy member_insert on core.item_barcode for insert to member
with check (org_id = (select core.org_id()) and (select core.has_permission('core.item_barcode.create')));

-- no update: a wrong barcode is removed and added anew

create policy member_delete on core.item_barcode for delete to member
using (org_id = (select core.org_id()) and (select core.has_permission('core.item_barcode.delete')));

-- nothing for partner: as items

create policy superadmin_select on core.item_barcode for select to superadmin
using (true);

create policy superadmin_insert on core.item_barcode for insert to superadmin
with check (org_id = (select core.org_id()));

create policy superadmin_delete on core.item_barcode for delete to superadmin
using (org_id = (select core.org_id()));

create policy analyst_select on core.item_barcode for select to analyst
using (org_id = (select core.org_id()));
