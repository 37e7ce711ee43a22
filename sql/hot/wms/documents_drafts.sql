-- The drafts of a type.
select * from api.wms_documents where document_type = 'IMPORT' and status = 'DRAFT' order by id desc limit 20;
