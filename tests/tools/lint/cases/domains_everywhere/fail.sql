-- path: functions/shipping/go.sql
select 1;
