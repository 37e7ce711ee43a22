-- Events: members see those of their organisation whose entity they may read, partners those of their own rows. Written by
-- triggers and events.emit only, changed by nobody (a trigger refuses it to the owner as well).

grant select on events.event to member, partner, superadmin, analyst, worker, migrator;
grant select (org_id, id, xid) on events.event to monitor;
grant select on api.events to member, partner, superadmin;
-- The relay itself learns that there is something new, in which organisation and about what; the rest it reads as the
-- role of each subscriber.
grant select (org_id, id, xid, type, entity) on events.event to relay;

-- The functions that write are the owner's; the rows they copy were checked where they were written.
create policy owner_insert on events.event
for insert to owner
with check (true);

create policy owner_select on events.event
for select to owner
using (org_id = (select core.org_id()));

create policy migrator_select on events.event
for select to migrator
using (true);

create policy member_select on events.event
for select to member
using (
  org_id = (select core.org_id())
  and (
    entity = any ((select events.readable_entities())::text[])
    or (unit_id is not null and entity || '/' || unit_id = any ((select events.readable_in_units())::text[]))
  )
);

create policy partner_select on events.event
for select to partner
using (
  org_id = (select core.org_id())
  and partner_id = (select core.partner_id())
  and entity = any ((select events.readable_entities())::text[])
);

create policy superadmin_select on events.event
for select to superadmin
using (true);

create policy analyst_select on events.event
for select to analyst
using (
  org_id = (select core.org_id())
  and entity = any ((select events.readable_entities())::text[])
);

-- Deliveries to other systems and seals concern every organisation.
create policy worker_select on events.event
for select to worker
using (true);

create policy relay_select on events.event
for select to relay
using (true);

-- Monitoring sees when and where in the feed, not what.
create policy monitor_select on events.event
for select to monitor
using (true);

-- no insert for anybody else: triggers and events.emit
-- no update, delete: what was written stays
