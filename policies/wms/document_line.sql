-- Lines: seen by whoever sees their document, written by functions only.

grant select, insert, update, delete on wms.document_line to migrator;
grant select on wms.document_line to member, partner, superadmin, analyst;
grant select on api.wms_document_lines to member, partner, superadmin, migrator;

create policy owner_all on wms.document_line
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.document_line
to migrator
using (true)
with check (true);

create policy member_select on wms.document_line
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on wms.document_line
for select to superadmin
using (true);

create policy analyst_select on wms.document_line
for select to analyst
using (org_id = (select core.org_id()));

-- The policy of wms.document holds inside too; it is said again so that this one is right by itself.
create policy partner_select on wms.document_line
for select to partner
using (
  org_id = (select core.org_id())
  and exists (
    select
    from wms.document as d
    where d.org_id = document_line.org_id
      and d.id = document_line.document_id
      and d.partner_id = (select core.partner_id())
  )
);

-- no insert, update, delete: api.wms_document_create and api.wms_document_lines_put write lines
