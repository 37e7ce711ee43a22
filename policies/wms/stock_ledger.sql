-- The ledger: read by members, added to by posting, changed by nobody (a trigger refuses it to the owner as well).

grant select, insert on wms.stock_ledger to migrator;
grant select on wms.stock_ledger to member, superadmin, analyst;
grant select on api.wms_ledger to member, superadmin, migrator;

create policy owner_all on wms.stock_ledger
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_select on wms.stock_ledger
for select to migrator
using (true);

create policy migrator_insert on wms.stock_ledger
for insert to migrator
with check (true);

-- Who counts goods blind does not see them here until they are counted (wms.blind_counts).
create policy member_select on wms.stock_ledger
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
      where l.org_id = stock_ledger.org_id
        and l.item_id = stock_ledger.item_id
        -- Nor what came from outside or went there: the other row of the line says the same.
        and (l.position_id = stock_ledger.location_id or stock_ledger.warehouse_id is null)
        and l.lot_id is not distinct from stock_ledger.lot_id
        and l.is_open
        and l.count_id = any ((select wms.blind_counts())::uuid[])
    )
  )
);

create policy superadmin_select on wms.stock_ledger
for select to superadmin
using (true);

create policy analyst_select on wms.stock_ledger
for select to analyst
using (org_id = (select core.org_id()));

-- no insert: api.wms_document_post writes it
-- no update, delete: what was written stays
-- no partner: where goods lie is a matter of the warehouse
