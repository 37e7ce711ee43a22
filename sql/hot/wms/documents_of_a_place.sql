-- What left a warehouse.
select * from api.wms_documents where from_location_id = '00000000-0000-7000-8000-000000000002' order by id desc limit 20;
