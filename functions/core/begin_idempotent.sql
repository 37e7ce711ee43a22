-- A request with an Idempotency-Key: has it been here before?

-- Definer: kept answers are nobody's to read but by sending the request again.
create or replace function core.begin_idempotent()
returns boolean
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- As the gateway says it: digest, what the answer looks like, key (which may hold blanks).
  v_told text := current_setting('request.headers', true)::json ->> 'x-idempotency';
  v_digest bytea := decode(split_part(v_told, ' ', 1), 'hex');
  v_shape text := split_part(v_told, ' ', 2);
  v_key text := substr(v_told, length(split_part(v_told, ' ', 1)) + length(v_shape) + 3);
  v_path text := current_setting('request.path', true);
  v_org_id uuid := coalesce(core.org_id(), '00000000-0000-0000-0000-000000000000');
  v_user_id uuid := core.user_id();
  v_reason text := 'nobody is signed in';
  v_kept core.idempotency;
  v_error jsonb;
begin
  -- A function that only reads can be asked again.
  if current_setting('transaction_read_only') = 'on' then
    return false;
  end if;
  if v_user_id is not null then
    select u.reason into v_reason from core.unkept_answer as u where '/rpc/' || u.function_name = v_path;
  end if;
  if v_reason is not null then
    perform core.raise_error('core.idempotency_key_refused', jsonb_build_object('reason', v_reason));
  end if;

  -- Held until the first request has ended, its commit included: who gets it sees what that left.
  if not pg_try_advisory_xact_lock(hashtextextended(format('core.idempotency %s %s %s', v_org_id, v_user_id, v_key), 0)) then
    v_error := core.word_error('core.request_in_flight');
    perform core.raise_answer(v_error -> 'body', (v_error ->> 'status')::integer, '{"Retry-After": "1"}');
  end if;
  select *
  into v_kept
  from core.idempotency as i
  where i.org_id = v_org_id
    and i.user_id = v_user_id
    and i.key = v_key
    and i.id >= core.uuid_floor(now() - interval '24 hours')
  order by i.id desc
  limit 1;
  if found then
    if v_kept.digest <> v_digest then
      perform core.raise_error('core.idempotency_key_reused', jsonb_build_object('key', v_key));
    end if;
    perform core.raise_answer(
      jsonb_build_object(
        'code', 'core.idempotency_replayed', 'message', 'The answer to the first request', 'details', v_kept.body, 'hint', null
      ),
      v_kept.http_status,
      v_kept.headers || '{"Idempotency-Replayed": "true"}'
    );
  end if;

  -- What holds unless core.keep_answer says otherwise; PostgREST, too, is told the status of a write to a view.
  v_kept.http_status := 200;
  if v_path not like '/rpc/%' then
    v_kept.http_status := case
      when current_setting('request.method', true) = 'POST' then 201
      when v_shape = 'none' then 204
      else 200
    end;
    perform set_config('response.status', v_kept.http_status::text, true);
  end if;
  insert into core.idempotency as i (org_id, user_id, key, digest, http_status)
  values (v_org_id, v_user_id, v_key, v_digest, v_kept.http_status)
  returning * into v_kept;
  perform set_config('erpgres.idempotency', v_kept.id || ' ' || v_shape, true);
  return true;
end
$$;

comment on function core.begin_idempotent() is
  'Of a request with an Idempotency-Key: answer it as the first one was (the same key of this user in this organisation, the '
  'same request), refuse it (409 core.request_in_flight, 422 core.idempotency_key_reused, 400 core.idempotency_key_refused), '
  'or note it in this transaction. Returns whether the answer is to be kept; a function that only reads needs no key.';

grant execute on function core.begin_idempotent() to anon, partner, member, superadmin, migrator;

-- lint: allow error_by_code: it carries an answer, or an error that was worded by the catalogue
create or replace function core.raise_answer(body jsonb, status integer, headers jsonb)
returns void
language plpgsql
volatile
parallel safe
as $$
begin
  -- What is raised stands in the server's log, which is no place for an answer.
  if has_parameter_privilege('log_min_messages', 'set') then
    perform set_config('log_min_messages', 'panic', true);
  end if;
  raise sqlstate 'PGRST' using
    message = raise_answer.body::text,
    detail = jsonb_build_object('status', raise_answer.status, 'headers', raise_answer.headers)::text;
end
$$;

comment on function core.raise_answer(jsonb, integer, jsonb) is
  'End the request with this body (code, message, details, hint), status and headers, and undo what it wrote';
