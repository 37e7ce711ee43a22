-- Balances: read by members, written by posting.

grant select, insert, update, delete on wms.balance to migrator;
grant select on wms.balance to member, superadmin, analyst;
grant select on api.wms_stock to member, superadmin, migrator;

create policy owner_all on wms.balance
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.balance
to migrator
using (true)
with check (true);

-- Who counts goods blind does not see them here until they are counted (wms.blind_counts).
create policy member_select on wms.balance
for select to member
using (
  org_id = (select core.org_id())
  and (
    not exists (
      select
      from wms.count_session as c
      where c.org_id = (select core.org_id())
        and c.status in ('COUNTING', 'INVESTIGATING')
        and c.is_blind
    )
    or not exists (
      select
      from wms.count_line as l
      where l.org_id = balance.org_id
        and l.item_id = balance.item_id
        and l.position_id = balance.location_id
        and l.lot_id is not distinct from balance.lot_id
        and l.is_open
        and l.count_id = any ((select wms.blind_counts())::uuid[])
    )
  )
);

create policy superadmin_select on wms.balance
for select to superadmin
using (true);

create policy analyst_select on wms.balance
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: api.wms_document_post writes balances
-- no partner: stock is a matter of the warehouse
