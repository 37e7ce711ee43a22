-- Executes a command that a device pushed, in a savepoint.

create or replace function events.try_sync_command(function text, arguments text)
returns jsonb
language plpgsql
volatile
parallel unsafe
as $$
declare
  v_arguments jsonb;
  v_unknown text;
  v_missing text;
  v_given text;
  v_types text;
  v_result jsonb;
  v_state text;
  v_message text;
  v_detail text;
  v_problem jsonb;
-- lint: allow swallowed_error: a refusal is kept and told to the device; what may pass is raised again
begin
  if not exists (select from core.sync_function as f where f.name = try_sync_command.function) then
    perform core.raise_error('events.sync_function', jsonb_build_object('function', try_sync_command.function));
  end if;
  v_arguments := coalesce(nullif(btrim(try_sync_command.arguments), ''), '{}')::jsonb;
  if jsonb_typeof(v_arguments) <> 'object' then
    perform core.raise_error('events.sync_arguments', jsonb_build_object('function', try_sync_command.function));
  end if;
  select
    min(k.name) filter (where a.type is null),
    string_agg(format('%1$I => a.%1$I', k.name), ', ' order by k.name),
    string_agg(format('%I %s', k.name, format_type(a.type, null)), ', ' order by k.name)
  into v_unknown, v_given, v_types
  from jsonb_object_keys(v_arguments) as k (name)
  left join (
    select n.name, t.type
    from pg_proc as p
    cross join lateral unnest(p.proargnames) with ordinality as n (name, place)
    cross join lateral unnest(p.proargtypes::oid[]) with ordinality as t (type, place)
    where p.oid = to_regproc(format('api.%I', try_sync_command.function))
      and t.place = n.place
  ) as a on a.name = k.name;
  if v_unknown is not null then
    perform core.raise_error(
      'events.sync_argument', jsonb_build_object('function', try_sync_command.function, 'argument', v_unknown)
    );
  end if;
  select min(n.name)
  into v_missing
  from pg_proc as p
  cross join lateral unnest(p.proargnames) with ordinality as n (name, place)
  where p.oid = to_regproc(format('api.%I', try_sync_command.function))
    and n.place <= p.pronargs - p.pronargdefaults
    and not v_arguments ? n.name;
  if v_missing is not null then
    perform core.raise_error(
      'events.sync_argument_missing', jsonb_build_object('function', try_sync_command.function, 'argument', v_missing)
    );
  end if;
  if v_given is null then
    execute format('select to_jsonb(api.%I())', try_sync_command.function) into strict v_result;
  else
    execute format(
      'select to_jsonb(api.%I(%s)) from jsonb_to_record($1) as a (%s)', try_sync_command.function, v_given, v_types
    )
    into strict v_result
    using v_arguments;
  end if;
  return jsonb_build_object('result', v_result);
exception
  when others then
    get stacked diagnostics
      v_state = returned_sqlstate,
      v_message = message_text,
      v_detail = pg_exception_detail;
    v_problem := events.sync_problem(v_state, v_message, v_detail);
    if v_problem is null then
      raise;
    end if;
    return v_problem;
end
$$;

comment on function events.try_sync_command(text, text) is
  'Call a function of core.sync_function with the arguments of a JSON text, as the caller; its result, or code, message, '
  'hint and details of why it was refused. Nothing is left of what was refused.';

grant execute on function events.try_sync_command(text, text) to member, partner;
