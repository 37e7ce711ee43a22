-- The movements of an item.
select * from api.wms_ledger where item_id = '00000000-0000-7000-8000-000000000002' order by id desc limit 20;
