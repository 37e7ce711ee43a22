create table wms.document_late partition of wms.document
for values from ('ff000000-0000-0000-0000-000000000000') to ('ff100000-0000-0000-0000-000000000000');
