-- title: the ledger of an item sums to zero over all places, the virtual ones among them
select
  l.org_id,
  l.item_id,
  l.lot_id,
  sum(l.delta) as sum_of_deltas
from wms.stock_ledger as l
group by l.org_id, l.item_id, l.lot_id
having sum(l.delta) <> 0;
