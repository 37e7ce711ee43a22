-- The newest documents: the first page of the list.
select * from api.wms_documents order by id desc limit 20;
