-- How a refused row says why.

create or replace function core.import_problem(
  column_name text,
  code text,
  value text default null,
  details jsonb default '{}'
)
returns jsonb
language sql
stable
parallel safe
return jsonb_build_object(
  'column', import_problem.column_name,
  'code', import_problem.code,
  'value', import_problem.value,
  'message', core.word_error(
    import_problem.code,
    import_problem.details || jsonb_build_object(
      'column', coalesce(import_problem.column_name, ''), 'value', coalesce(import_problem.value, '')
    )
  ) -> 'body' ->> 'message'
);

comment on function core.import_problem(text, text, text, jsonb) is
  'Why a row of an import is refused: the column (null: the row as a whole), an error of the catalogue, the value, and '
  'the message in words; column and value fill its placeholders, as details do';

grant execute on function core.import_problem(text, text, text, jsonb) to member, superadmin, migrator;

-- Inlined where it is called, so that a row without problems costs next to nothing.
create or replace function core.import_problems(variadic list jsonb[])
returns jsonb
language sql
stable
parallel safe
return nullif(to_jsonb(array_remove(import_problems.list, null)), '[]'::jsonb);

comment on function core.import_problems(jsonb[]) is
  'The problems of a row as a list, without the nulls; null when there is none';

grant execute on function core.import_problems(jsonb[]) to member, superadmin, migrator;
