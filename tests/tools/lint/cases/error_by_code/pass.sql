-- path: functions/core/refuse.sql
create function core.refuse()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  raise notice 'looking';
  perform core.raise_error('core.not_found');
exception
  when lock_not_available then
    raise;
end
$$;
