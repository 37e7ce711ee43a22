-- Words an error of the catalogue.

create or replace function core.word_error(code text, details jsonb default '{}')
returns jsonb
language plpgsql
stable
parallel safe
as $$
declare
  v_error core.error;
  v_key text;
  v_value text;
begin
  select * into v_error from core.error as e where e.code = word_error.code;
  if not found then
    select * into v_error from core.error as e where e.code = 'core.unknown_error';
    v_error.code := coalesce(v_error.code, 'core.unknown_error');
    v_error.status := coalesce(v_error.status, 500);
    v_error.message := coalesce(v_error.message, 'The error {error} is not in the catalogue');
    word_error.details := word_error.details || jsonb_build_object('error', word_error.code);
  end if;
  for v_key, v_value in select d.key, d.value from jsonb_each_text(word_error.details) as d loop
    v_error.message := replace(v_error.message, '{' || v_key || '}', coalesce(v_value, ''));
    v_error.hint := replace(v_error.hint, '{' || v_key || '}', coalesce(v_value, ''));
  end loop;
  -- PostgREST wants details as text: it is the JSON of what the caller gave.
  return jsonb_build_object(
    'status', v_error.status,
    'body', jsonb_build_object(
      'code', v_error.code,
      'message', v_error.message,
      'details', nullif(word_error.details, '{}')::text,
      'hint', v_error.hint
    )
  );
end
$$;

comment on function core.word_error(text, jsonb) is
  'The status and the body of an error of the catalogue, its {name} placeholders filled from details';

grant execute on function core.word_error(text, jsonb) to anon, partner, member, superadmin, migrator, worker;
