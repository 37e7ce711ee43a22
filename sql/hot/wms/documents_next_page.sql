-- The page after a cursor.
select * from api.wms_documents where id < core.uuid_floor(now() - interval '7 days') order by id desc limit 20;
