-- kind: row level security, or other policies: the file in policies/ that makes them, all in one transaction
-- set:
-- file: policies/{domain}/{name}.sql
-- ---
-- {what}

grant select on {table} to member;
grant select, insert, update, delete on {table} to migrator;

create policy owner_all on {table} for all to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on {table} for all to migrator
using (true)
with check (true);

create policy member_select on {table} for select to member
using (org_id = (select core.org_id()));

-- no insert, update or delete for members: say here what writes it
