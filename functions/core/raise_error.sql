-- Raises a business error of the catalogue, so that PostgREST answers with its status and body.

create or replace function core.raise_error(code text, details jsonb default '{}')
returns void
language plpgsql
volatile
parallel safe
as $$
declare
  v_error jsonb := core.word_error(raise_error.code, raise_error.details);
begin
  raise sqlstate 'PGRST' using
    message = (v_error -> 'body')::text,
    detail = jsonb_build_object(
      'status', v_error -> 'status',
      'headers', case v_error ->> 'status' when '401' then '{"WWW-Authenticate": "Bearer"}'::jsonb else '{}' end
    )::text;
end
$$;

comment on function core.raise_error(text, jsonb) is
  'Raise the error of the catalogue with this code. details fills the {name} placeholders of message and hint and is '
  'given to the client as JSON text; it must hold nothing that the caller may not know.';

grant execute on function core.raise_error(text, jsonb) to anon, partner, member, superadmin, migrator, worker;
