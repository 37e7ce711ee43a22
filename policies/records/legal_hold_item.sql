-- What is held: every member sees that, since the triggers that keep it ask with his rights. For which matter he does not see.

grant select, insert, update on records.legal_hold_item to migrator;
grant select on records.legal_hold_item to member, superadmin, analyst;
grant select on api.records_hold_items to member, superadmin, migrator;

create policy owner_all on records.legal_hold_item
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.legal_hold_item
to migrator
using (true)
with check (true);

create policy member_select on records.legal_hold_item
for select to member
using (org_id = (select core.org_id()));

create policy superadmin_select on records.legal_hold_item
for select to superadmin
using (true);

create policy analyst_select on records.legal_hold_item
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update: functions; no delete: kept for ever, and a trigger says so to everybody
-- no partner: records are a matter of the organisation
