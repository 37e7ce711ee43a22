-- Raises a business error of the catalogue, so that PostgREST answers with its status and body.

create or replace function core.raise_error(code text, details jsonb default '{}')
returns void
language plpgsql
volatile
parallel safe
as $$
declare
  v_error core.error;
  v_key text;
  v_value text;
begin
  select * into v_error from core.error as e where e.code = raise_error.code;
  if not found then
    select * into v_error from core.error as e where e.code = 'core.unknown_error';
    v_error.code := coalesce(v_error.code, 'core.unknown_error');
    v_error.status := coalesce(v_error.status, 500);
    v_error.message := coalesce(v_error.message, 'The error {error} is not in the catalogue');
    raise_error.details := raise_error.details || jsonb_build_object('error', raise_error.code);
  end if;
  for v_key, v_value in select d.key, d.value from jsonb_each_text(raise_error.details) as d loop
    v_error.message := replace(v_error.message, '{' || v_key || '}', coalesce(v_value, ''));
    v_error.hint := replace(v_error.hint, '{' || v_key || '}', coalesce(v_value, ''));
  end loop;
  -- PostgREST wants details as text: it is the JSON of what the caller gave.
  raise sqlstate 'PGRST' using
    message = jsonb_build_object(
      'code', v_error.code,
      'message', v_error.message,
      'details', nullif(raise_error.details, '{}')::text,
      'hint', v_error.hint
    )::text,
    detail = jsonb_build_object(
      'status', v_error.status,
      'headers', case v_error.status when 401 then '{"WWW-Authenticate": "Bearer"}'::jsonb else '{}' end
    )::text;
end
$$;

comment on function core.raise_error(text, jsonb) is
  'Raise the error of the catalogue with this code. details fills the {name} placeholders of message and hint and is '
  'given to the client as JSON text; it must hold nothing that the caller may not know.';

grant execute on function core.raise_error(text, jsonb) to anon, partner, member, superadmin, migrator, worker;
