-- What PostgREST runs before each request (db-pre-request): core.pre_request, and what a request with an Idempotency-Key needs.

-- Invoker, and without a search path of its own: what it sets here is there for the statement of the request.
create or replace function core.begin_keyed_request()
returns void
language plpgsql
volatile
parallel unsafe
as $$
begin
  perform core.pre_request();
  if core.begin_idempotent() then
    -- PostgREST builds every answer with json_agg; found in api first, it is the one that keeps what it builds.
    perform set_config('search_path', 'api, pg_catalog, public', true);
  end if;
end
$$;

comment on function core.begin_keyed_request() is
  'Admits a request with an Idempotency-Key (core.pre_request) and answers it as the first time, or has its answer kept '
  '(core.begin_idempotent)';

grant execute on function core.begin_keyed_request() to anon, partner, member, superadmin, migrator;

-- SQL of one expression, which PostgreSQL puts in place of the call: nothing is set up for a function of its own.
create or replace function core.begin_request()
returns void
language sql
volatile
parallel unsafe
-- The gateway sends this header with a writing request that has a key, and drops what a client says in it.
return case
  when strpos(nullif(current_setting('request.headers', true), ''), '"x-idempotency":"') > 0 then core.begin_keyed_request()
  else core.pre_request()
end;

comment on function core.begin_request() is
  'Runs before each request: admits it (core.pre_request), and if it has an Idempotency-Key answers it as the first time or '
  'has its answer kept (core.begin_keyed_request)';

grant execute on function core.begin_request() to anon, partner, member, superadmin, migrator;
