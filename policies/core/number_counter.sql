-- The last number given of each series.

grant select on core.number_counter to member, superadmin;
grant select, insert, update, delete on core.number_counter to migrator;

create policy owner_all on core.number_counter for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.number_counter for all to migrator
using (true)
with check (true);

create policy member_select on core.number_counter for select to member
using (org_id = (select core.org_id()));

-- no insert: core.next_number counts

-- no update: core.next_number counts

-- no delete: a counter never goes back

-- nothing for partner: internal

create policy superadmin_select on core.number_counter for select to superadmin
using (true);

-- nothing for analyst: they read the register
