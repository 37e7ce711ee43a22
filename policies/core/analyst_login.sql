-- Each login sees its own row only: core.org_id() reads it to know the organisation. A session of PostgREST needs none.

grant select on core.analyst_login to analyst, relay, worker, monitor;
grant select, insert, update, delete on core.analyst_login to migrator;

-- Not by organisation: core.org_id() asks this table, and would be asked by its own policy.
create policy owner_select on core.analyst_login for select to owner
using (login = session_user);

create policy migrator_all on core.analyst_login for all to migrator
using (true)
with check (true);

create policy analyst_select on core.analyst_login for select to analyst
using (login = session_user);

create policy relay_select on core.analyst_login for select to relay
using (login = session_user);

create policy worker_select on core.analyst_login for select to worker
using (login = session_user);

create policy monitor_select on core.analyst_login for select to monitor
using (login = session_user);

-- nothing for member, partner, superadmin: the tools bind logins to organisations
