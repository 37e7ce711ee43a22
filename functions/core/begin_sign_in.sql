-- What each function of signing in begins with.

create or replace function core.begin_sign_in()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_headers jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
begin
  -- A failed attempt counts because it is written: nobody may ask for a rollback, nor for a column or a cast that
  -- fails after the function ran.
  if v_headers ->> 'prefer' ~* '\mtx\M' or coalesce(v_headers ->> 'x-query-string', '') <> ''
    or current_setting('transaction_read_only') = 'on'
  then
    perform core.raise_error('core.sign_in_plain');
  end if;
  -- Whoever sends a token with it is still nobody here. Policies for the owner show the accounts to such a request.
  perform core.act_as('{"role": "anon"}');
end
$$;

comment on function core.begin_sign_in() is
  'Refuse with core.sign_in_plain (400) a request that could undo the counting of its failure, and forget the token that '
  'came with it';
