-- Where a request comes from.

create or replace function core.client_address()
returns inet
language plpgsql
stable
parallel safe
as $$
declare
  v_address text := nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-real-ip';
begin
  return case when pg_input_is_valid(v_address, 'inet') then v_address::inet end;
end
$$;

comment on function core.client_address() is
  'The address of the client, which the gateway writes into X-Real-IP; null when it is not known';
