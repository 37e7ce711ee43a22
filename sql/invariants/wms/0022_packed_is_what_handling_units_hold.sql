-- title: what balances say is packed is what the open handling units at the place hold
select
  coalesce(b.org_id, c.org_id) as org_id,
  coalesce(b.item_id, c.item_id) as item_id,
  coalesce(b.location_id, c.location_id) as location_id,
  coalesce(b.lot_id, c.lot_id) as lot_id,
  b.packed,
  c.held
from (
  select b.org_id, b.item_id, b.location_id, b.lot_id, b.packed
  from wms.balance as b
  where b.packed <> 0
) as b
full join (
  select u.org_id, c.item_id, u.location_id, c.lot_id, sum(c.quantity) as held
  from wms.handling_unit as u
  inner join wms.handling_unit_content as c
    on c.org_id = u.org_id
    and c.handling_unit_id = u.id
  where u.status = 'OPEN'
  group by u.org_id, c.item_id, u.location_id, c.lot_id
) as c
  on c.org_id = b.org_id
  and c.item_id = b.item_id
  and c.location_id = b.location_id
  and coalesce(c.lot_id, c.item_id) = coalesce(b.lot_id, b.item_id)
where b.packed is distinct from c.held;
