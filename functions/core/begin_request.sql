-- What PostgREST runs before each request (db-pre-request): core.pre_request, and what a request with an Idempotency-Key needs.

-- Invoker, and without a search_path of its own: what it sets here is there for the statement of the request.
create or replace function core.begin_request()
returns void
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_ignored boolean; -- an assignment takes less than a statement, and this runs for every request
begin
  v_ignored := core.pre_request() is null;
  -- The gateway sends this header with a writing request that has a key, and drops what a client says in it.
  if nullif(current_setting('request.headers', true), '') like '%"x-idempotency":"%' then
    if core.begin_idempotent() then
      -- PostgREST builds every answer with json_agg; found in api first, it is the one that keeps what it builds.
      perform set_config('search_path', 'api, pg_catalog, public', true);
    end if;
  end if;
end
$$;

comment on function core.begin_request() is
  'Runs before each request: admits it (core.pre_request), and if it has an Idempotency-Key answers it as the first time or '
  'has its answer kept (core.begin_idempotent)';

grant execute on function core.begin_request() to anon, partner, member, superadmin, migrator;
