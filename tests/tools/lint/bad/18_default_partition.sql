-- domain: core
-- why: documents of a far year
-- locks: none (new objects)
-- breaking: no
-- expect: no_default_partition

create table wms.document_default partition of wms.document default;
comment on table wms.document_default is 'What fits nowhere else';
alter table wms.document_default enable row level security;
