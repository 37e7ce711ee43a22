-- as: superuser
update ops.partition_policy set periods_ahead = 7 where table_name = 'wms.document';
select ops.ensure_partitions();
