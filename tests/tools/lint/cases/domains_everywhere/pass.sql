-- path: functions/wms/go.sql
select 1;
