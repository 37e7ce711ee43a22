-- title: where stock is valued by layers, they add up to its quantity and its value; elsewhere there are none
select
  v.org_id,
  v.item_id,
  v.warehouse_id,
  v.method,
  v.quantity,
  v.value,
  sum(y.quantity) as layers_quantity,
  sum(y.value) as layers_value
from wms.stock_value as v
left join wms.value_layer as y
  on y.org_id = v.org_id
  and y.item_id = v.item_id
  and y.warehouse_id = v.warehouse_id
group by v.org_id, v.item_id, v.warehouse_id, v.method, v.quantity, v.value
having case
  when v.method = 'FIFO' then (coalesce(sum(y.quantity), 0), coalesce(sum(y.value), 0)) <> (v.quantity, v.value)
  else count(y.id) > 0
end;
