create table wms.document_default partition of wms.document default;
