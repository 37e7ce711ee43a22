-- Numbers given, and to which document.

grant select on core.number_register to member, superadmin, analyst;
grant select, insert, update, delete on core.number_register to migrator;

create policy owner_all on core.number_register for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on core.number_register for all to migrator
using (true)
with check (true);

create policy member_select on core.number_register for select to member
using (org_id = (select core.org_id()));

-- no insert: core.next_number registers

-- no update: a number stays with its document

-- no delete: a number is never given up

-- nothing for partner: the views of their documents show the number

create policy superadmin_select on core.number_register for select to superadmin
using (true);

create policy analyst_select on core.number_register for select to analyst
using (org_id = (select core.org_id()));
