-- path: functions/core/tell.sql
create function core.tell()
returns void
language sql
stable
parallel safe
as $$ select pg_notify('orders', 'read') $$;
