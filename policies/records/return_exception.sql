-- What did not fit on return: seen by whoever sees the request.

grant select, insert, update, delete on records.return_exception to migrator;
grant select on records.return_exception to member, superadmin, analyst;
grant select on api.records_return_exceptions to member, superadmin, migrator;

create policy owner_all on records.return_exception
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.return_exception
to migrator
using (true)
with check (true);

create policy member_select on records.return_exception
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.request as p
    where p.org_id = return_exception.org_id
      and p.id = return_exception.request_id
  )
);

create policy superadmin_select on records.return_exception
for select to superadmin
using (true);

create policy analyst_select on records.return_exception
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: api.records_withdrawal_return and records_exception_resolve write them
-- no partner: records are a matter of the organisation
