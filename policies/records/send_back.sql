-- Rounds of requests: seen by whoever sees the request.

grant select, insert, update, delete on records.send_back to migrator;
grant select on records.send_back to member, superadmin, analyst;
grant select on api.records_send_backs to member, superadmin, migrator;

create policy owner_all on records.send_back
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.send_back
to migrator
using (true)
with check (true);

create policy member_select on records.send_back
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.request as p
    where p.org_id = send_back.org_id
      and p.id = send_back.request_id
  )
);

create policy superadmin_select on records.send_back
for select to superadmin
using (true);

create policy analyst_select on records.send_back
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: functions write rounds
-- no partner: records are a matter of the organisation
