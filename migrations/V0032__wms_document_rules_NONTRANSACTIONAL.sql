-- domain: wms
-- why: the new rules of documents are made sure of for those that are there
-- locks: share update exclusive on the partitions of wms.document, while each is read
-- breaking: no

alter table wms.document validate constraint document_type_known;
alter table wms.document validate constraint document_status_known;
alter table wms.document validate constraint import_goes_into_a_warehouse;
alter table wms.document validate constraint export_leaves_a_warehouse;
alter table wms.document validate constraint one_warehouse_for_what_stays_inside;
alter table wms.document validate constraint number_from_posting_on;
