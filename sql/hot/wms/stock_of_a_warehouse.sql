-- What lies in a warehouse, by item.
select * from api.wms_stock where warehouse_id = '00000000-0000-7000-8000-000000000002' order by item_id, id limit 20;
