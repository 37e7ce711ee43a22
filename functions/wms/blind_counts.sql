-- Who counts blind is not shown what lies there: neither what the count expects nor the stock itself.

-- Definer: asked by policies, whoever reads.
create or replace function wms.blind_counts()
returns uuid[]
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
begin atomic
  select array(
    select c.id
    from wms.count_session as c
    where c.org_id = (select core.org_id())
      and c.status in ('COUNTING', 'INVESTIGATING')
      and c.is_blind
      and case
        when c.assigned = '{}' then (select core.has_permission('wms.count.record'))
        else core.user_id() = any (c.assigned)
      end
      and not (select core.has_permission('wms.stock.read_counted'))
  );
end;

comment on function wms.blind_counts() is
  'Counts that go on, are blind, and are made by the user: those that he is assigned to, or that are assigned to nobody if he '
  'may record counts. None for who may see stock that is counted.';

grant execute on function wms.blind_counts() to member, superadmin, migrator;

create or replace function wms.is_counted_blind(item_id uuid, warehouse_id uuid)
returns boolean
language sql
stable
parallel safe
return cardinality((select wms.blind_counts())) > 0
and exists (
  select
  from wms.count_line as l
  inner join wms.count_session as c
    on c.org_id = l.org_id
    and c.id = l.count_id
  where l.org_id = (select core.org_id())
    and l.item_id = is_counted_blind.item_id
    and l.is_open
    and l.count_id = any ((select wms.blind_counts())::uuid[])
    and c.warehouse_id = is_counted_blind.warehouse_id
);

comment on function wms.is_counted_blind(uuid, uuid) is
  'Whether the user counts some of an item in a warehouse blind, so that no total of it may be shown to him';

grant execute on function wms.is_counted_blind(uuid, uuid) to member, superadmin, migrator;

create or replace function wms.is_stock_hidden(location_id uuid, item_id uuid default null, lot_id uuid default null)
returns boolean
language sql
stable
parallel safe
return cardinality((select wms.blind_counts())) > 0
and exists (
  select
  from wms.count_line as l
  where l.org_id = (select core.org_id())
    and l.position_id = is_stock_hidden.location_id
    and (
      is_stock_hidden.item_id is null
      or (l.item_id = is_stock_hidden.item_id and l.lot_id is not distinct from is_stock_hidden.lot_id)
    )
    and l.is_open
    and l.count_id = any ((select wms.blind_counts())::uuid[])
);

comment on function wms.is_stock_hidden(uuid, uuid, uuid) is
  'Whether the user counts what lies at a position blind: an item (and lot), or anything there. For functions that run as owner, '
  'whom no policy holds back.';
