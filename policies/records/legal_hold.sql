-- Legal holds: seen by who may read them; functions write them.

grant select, insert, update on records.legal_hold to migrator;
grant select on records.legal_hold to member, superadmin;
grant select on api.records_holds to member, superadmin, migrator;

create policy owner_all on records.legal_hold
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.legal_hold
to migrator
using (true)
with check (true);

create policy member_select on records.legal_hold
for select to member
using (org_id = (select core.org_id()) and (select core.has_permission('records.hold.read')));

create policy superadmin_select on records.legal_hold
for select to superadmin
using (true);

-- no insert, update: functions; no delete: released holds are kept, and a trigger says so to everybody
-- no partner: records are a matter of the organisation
-- no analyst: matters are confidential
