-- Documents of withdrawals: seen by whoever sees the request.

grant select, insert, update, delete on records.request_document to migrator;
grant select on records.request_document to member, superadmin, analyst;
grant select on api.records_request_documents to member, superadmin, migrator;

create policy owner_all on records.request_document
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.request_document
to migrator
using (true)
with check (true);

create policy member_select on records.request_document
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.request as p
    where p.org_id = request_document.org_id
      and p.id = request_document.request_id
  )
);

create policy superadmin_select on records.request_document
for select to superadmin
using (true);

create policy analyst_select on records.request_document
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: functions write requests
-- no partner: records are a matter of the organisation
