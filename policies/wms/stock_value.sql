-- Values of stock: read by members, written by posting.

grant select, insert, update, delete on wms.stock_value to migrator;
grant select on wms.stock_value to member, superadmin, analyst;

create policy owner_all on wms.stock_value
to owner
using (org_id = (select core.org_id()))
with check (org_id = (select core.org_id()));

create policy migrator_all on wms.stock_value
to migrator
using (true)
with check (true);

-- Who counts some of an item blind sees no total of it.
create policy member_select on wms.stock_value
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
    or not wms.is_counted_blind(item_id, warehouse_id)
  )
);

create policy superadmin_select on wms.stock_value
for select to superadmin
using (true);

create policy analyst_select on wms.stock_value
for select to analyst
using (org_id = (select core.org_id()));

-- no insert, update, delete: posting writes them
-- no partner: what stock is worth is a matter of the organisation
