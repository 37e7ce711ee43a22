grant select on wms.document to member;
