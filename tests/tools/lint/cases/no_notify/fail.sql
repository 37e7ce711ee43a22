-- path: functions/core/tell.sql
create function core.tell()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform pg_notify('orders', 'new');
end
$$;
