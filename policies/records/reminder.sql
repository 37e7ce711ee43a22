-- Reminders: seen by whoever sees the crate, made by a job.

grant select, insert, update, delete on records.reminder to migrator;
grant select on records.reminder to member, superadmin, analyst;
grant select on api.records_reminders to member, superadmin, migrator;

create policy owner_all on records.reminder
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.reminder
to migrator
using (true)
with check (true);

create policy member_select on records.reminder
for select to member
using (
  org_id = (select core.org_id())
  and exists (
    select
    from records.crate as p
    where p.org_id = reminder.org_id
      and p.id = reminder.crate_id
  )
);

create policy superadmin_select on records.reminder
for select to superadmin
using (true);

create policy analyst_select on records.reminder
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: the job records.make_reminders writes them
-- no partner: records are a matter of the organisation
