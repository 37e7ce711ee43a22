-- Crates: seen in units, also in the one they are on the way to, and by Central those flagged for it; written by functions only.

grant select, insert, update, delete on records.crate to migrator;
grant select on records.crate to member, superadmin, analyst;
grant select on api.records_crates to member, superadmin, migrator;

create policy owner_all on records.crate
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on records.crate
to migrator
using (true)
with check (true);

create policy member_select on records.crate
for select to member
using (
  org_id = (select core.org_id())
  and (
    unit_id = any ((select records.all_permitted_units('records.crate.read'))::uuid[])
    or bound_for_id = any ((select records.all_permitted_units('records.crate.read'))::uuid[])
    or (is_for_central and (select records.is_in_central()))
  )
);

create policy superadmin_select on records.crate
for select to superadmin
using (true);

create policy analyst_select on records.crate
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: functions write crates
-- no partner: records are a matter of the organisation
