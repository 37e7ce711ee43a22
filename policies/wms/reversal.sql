-- Reversals: which document reverses which; written by the function that reverses.

grant select, insert, update, delete on wms.reversal to migrator;
grant select on wms.reversal to member, superadmin, analyst;

create policy owner_all on wms.reversal
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.reversal
to migrator
using (true)
with check (true);

create policy member_select on wms.reversal
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.reversal
for select to superadmin
using (true);

create policy analyst_select on wms.reversal
for select to analyst
using (org_id = (select core.org_id()));

-- no insert: api.wms_document_reverse writes it
-- no update, delete: a reversal is not undone
