-- What PostgREST builds an answer with while a request with an Idempotency-Key runs (core.begin_request puts api first).

create or replace aggregate api.json_agg(anyelement) (
  sfunc = core.keep_row,
  stype = text,
  finalfunc = core.keep_answer,
  parallel = unsafe
);

comment on aggregate api.json_agg(anyelement) is
  'What PostgREST builds an answer with while a request with an Idempotency-Key runs. Same result as that of pg_catalog.';

grant execute on function api.json_agg(anyelement) to partner, member, superadmin, migrator;
