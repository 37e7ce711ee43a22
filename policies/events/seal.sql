-- Seals: written by the worker, checked by the tools.

grant select, insert on events.seal to worker, migrator;

create policy owner_select on events.seal for select to owner
using (org_id = (select core.org_id()));

create policy migrator_select on events.seal for select to migrator
using (true);

create policy migrator_insert on events.seal for insert to migrator
with check (true);

create policy worker_select on events.seal for select to worker
using (true);

create policy worker_insert on events.seal for insert to worker
with check (true);

-- no update, delete: a trigger refuses it to everybody
-- nothing for anybody else: a seal is for those who look after the database
