-- The answer to a request with an Idempotency-Key, kept as PostgREST builds it.

create or replace function core.keep_row(rows text, row_or_value anyelement)
returns text
language sql
stable
parallel safe
as $$
  -- As json_agg separates: a new line before what is a row or an array, not before what is JSON already.
  select coalesce(
    keep_row.rows
    || case
      when left(v.value, 1) in ('{', '[') and pg_typeof(keep_row.row_or_value) <> all ('{json,jsonb}'::regtype[])
        then E', \n '
      else ', '
    end,
    '['
  ) || v.value
  from (select coalesce(to_json(keep_row.row_or_value)::text, 'null')) as v (value)
$$;

comment on function core.keep_row(text, anyelement) is 'One more row of api.json_agg';

grant execute on function core.keep_row(text, anyelement) to partner, member, superadmin, migrator;

-- Definer: kept answers are nobody's to write.
create or replace function core.keep_answer(rows text)
returns json
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_largest constant integer := 1048576;
  v_noted text := current_setting('erpgres.idempotency', true); -- id, what the answer looks like
  v_id uuid := nullif(left(v_noted, 36), '')::uuid;
  v_shape text := substr(v_noted, 38);
  v_path text := current_setting('request.path', true);
  v_rows json := (keep_answer.rows || ']')::json;
  v_body json := coalesce(v_rows, '[]');
  v_status smallint := nullif(current_setting('response.status', true), '')::smallint;
  v_is_set boolean := true;
  v_is_void boolean := false;
begin
  if v_id is null or v_shape = 'none' then
    return v_rows;
  end if;
  if v_path like '/rpc/%' then
    select p.proretset, p.prorettype = 'void'::regtype
    into strict v_is_set, v_is_void
    from pg_proc as p
    where p.pronamespace = 'api'::regnamespace and p.proname = substr(v_path, 6) and p.prokind = 'f';
  end if;
  if v_shape like 'one%' or not v_is_set then
    v_body := coalesce(v_body -> 0, 'null');
  end if;
  if v_shape like '%-stripped' then
    v_body := json_strip_nulls(v_body);
  end if;
  if v_status in (408, 425, 429) or v_status >= 500 then
    -- Try again later: that is what the same request will do.
    delete from core.idempotency as i
    where i.org_id = coalesce(core.org_id(), '00000000-0000-0000-0000-000000000000') and i.id = v_id;
    return v_rows;
  end if;
  if octet_length(v_body::text) > v_largest then
    perform core.raise_error('core.answer_too_large', jsonb_build_object('limit', v_largest));
  end if;
  update core.idempotency as i
  set
    http_status = coalesce(v_status, case when v_is_void then 204 else i.http_status end),
    body = case when not v_is_void then v_body::text end,
    headers = coalesce(
      (
        select jsonb_object_agg(h.key, h.value)
        from jsonb_array_elements(nullif(current_setting('response.headers', true), '')::jsonb) as e (header)
        cross join lateral jsonb_each(e.header) as h
      ),
      '{}'
    )
  where i.org_id = coalesce(core.org_id(), '00000000-0000-0000-0000-000000000000') and i.id = v_id;
  return v_rows;
end
$$;

comment on function core.keep_answer(text) is
  'Keep the body that PostgREST makes of these rows, with the status and headers that a function set, for the request noted by '
  'core.begin_idempotent; returns the rows. Raises core.answer_too_large over 1 MiB. What a function aggregates itself is '
  'kept first and then overwritten: the answer comes last.';

grant execute on function core.keep_answer(text) to partner, member, superadmin, migrator;
