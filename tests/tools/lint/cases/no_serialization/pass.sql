-- path: functions/core/fail.sql
create function core.fail()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  -- never 40001: PostgREST would repeat it without end
  perform core.raise_error('wms.busy');
exception
  when serialization_failure then
    raise;
end
$$;
