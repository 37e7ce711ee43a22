-- Answers with an error and keeps what the request wrote: raising it would roll that back.

create or replace function core.answer_error(code text, details jsonb default '{}', retry_after integer default null)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_error jsonb := core.word_error(answer_error.code, answer_error.details);
  v_headers jsonb := '[{"Cache-Control": "no-store"}]';
begin
  if v_error ->> 'status' = '401' then
    v_headers := v_headers || '[{"WWW-Authenticate": "Bearer"}]'::jsonb;
  end if;
  if answer_error.retry_after is not null then
    v_headers := v_headers || jsonb_build_array(jsonb_build_object('Retry-After', answer_error.retry_after::text));
  end if;
  perform set_config('response.status', v_error ->> 'status', true);
  perform set_config('response.headers', v_headers::text, true);
  return v_error -> 'body';
end
$$;

comment on function core.answer_error(text, jsonb, integer) is
  'The body of an error of the catalogue, as the answer of a function that returns it: status and headers are set, the '
  'transaction commits';

grant execute on function core.answer_error(text, jsonb, integer) to member, superadmin;
