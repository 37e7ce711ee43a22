-- Which transaction changed what: numbers of transactions, no data.

-- Who notes a change is a trigger; who reads is core.pre_request, and the relay, which tells caches.
grant select on core.data_change to relay, monitor;
grant select, delete on core.data_change to worker; -- core.prune_data_changes
grant select, insert, delete on core.data_change to migrator;

-- A trigger runs for tools and worker too, who act for no organisation, and notes what belongs to none.
create policy owner_select on core.data_change for select to owner
using (true);

create policy owner_insert on core.data_change for insert to owner
with check (true);

create policy migrator_all on core.data_change for all to migrator
using (true)
with check (true);

create policy worker_all on core.data_change for all to worker
using (true)
with check (true);

create policy relay_select on core.data_change for select to relay
using (true);

create policy monitor_select on core.data_change for select to monitor
using (true);

-- no update: a row says what happened
-- nothing for anybody else: clients get tags
