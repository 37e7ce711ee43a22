-- What PostgREST builds an answer with while a request with an Idempotency-Key runs (core.begin_request puts api first).

-- lint: allow sqlfluff.LT01: sqlfluff takes the arguments for a list of columns
create or replace aggregate api.json_agg(anyelement) (
  sfunc = core.keep_row,
  stype = text,
  finalfunc = core.keep_answer,
  parallel = unsafe
);

-- lint: allow sqlfluff.LT01: sqlfluff takes the arguments for a list of columns
comment on aggregate api.json_agg(anyelement) is
  'What PostgREST builds an answer with while a request with an Idempotency-Key runs. Same result as that of pg_catalog.';

grant execute on function api.json_agg(anyelement) to partner, member, superadmin, migrator;
