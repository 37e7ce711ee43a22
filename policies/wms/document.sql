-- Documents: members see them all, partners those that name them; functions write them, but for three fields of a draft.

grant select, insert, update, delete on wms.document to migrator;
grant select on wms.document to member, partner, superadmin, analyst;
grant update (partner_id, reference, posting_date, version) on wms.document to member, superadmin;
grant select on api.wms_documents to member, partner, superadmin, migrator;
grant update (partner_id, reference, posting_date, version) on api.wms_documents to member, superadmin;

create policy owner_all on wms.document
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.document
to migrator
using (true)
with check (true);

create policy member_select on wms.document
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.document
for select to superadmin
using (true);

create policy analyst_select on wms.document
for select to analyst
using (org_id = (select core.org_id()));

create policy partner_select on wms.document
for select to partner
using (org_id = (select core.org_id()) and partner_id = (select core.partner_id()));

create policy member_update on wms.document
for update to member
using (org_id = (select core.org_id()) and (select core.has_permission('wms.document.update')))
with check (org_id = (select core.org_id()) and (select core.has_permission('wms.document.update')));

create policy superadmin_update on wms.document
for update to superadmin
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

-- no insert: api.wms_document_create makes documents
-- no delete: a draft is cancelled, and keeps saying why
