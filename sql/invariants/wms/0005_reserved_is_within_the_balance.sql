-- title: no balance is negative, and no more is reserved than lies there
select
  b.org_id,
  b.id,
  b.item_id,
  b.location_id,
  b.quantity,
  b.reserved
from wms.balance as b
where b.quantity < 0
  or b.reserved < 0
  or b.reserved > b.quantity;
