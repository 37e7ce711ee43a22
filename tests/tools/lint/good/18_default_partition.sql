-- domain: core
-- why: documents of a far year
-- locks: none (new objects)
-- breaking: no

select ops.create_partition('wms.document', '2031-05-01 00:00+00');
