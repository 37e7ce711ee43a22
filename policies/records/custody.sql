-- Custody: seen by whoever sees the crate.

grant select, insert, update, delete on records.custody to migrator;
grant select on records.custody to member, superadmin, analyst;
grant select on api.records_custodies to member, superadmin, migrator;

create policy owner_all on records.custody
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.custody
to migrator
using (true)
with check (true);

create policy member_select on records.custody
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.crate as p
    where p.org_id = custody.org_id
      and p.id = custody.crate_id
  )
);

create policy superadmin_select on records.custody
for select to superadmin
using (true);

create policy analyst_select on records.custody
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: functions write custody
-- no partner: records are a matter of the organisation
