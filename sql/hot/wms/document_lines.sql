-- The lines of a document.
select * from api.wms_document_lines where document_id = core.uuid_floor(now()) order by line_no limit 20;
