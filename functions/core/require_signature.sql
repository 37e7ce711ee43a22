-- Lets a step happen only with a signature made for it.

-- Definer: the signature is used, which nobody may write.
create or replace function core.require_signature(
  entity text,
  entity_id uuid,
  meaning text,
  signature_id uuid,
  signer_id uuid default null,
  minutes integer default null
)
returns core.signature
language plpgsql
volatile
parallel unsafe
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_signature core.signature;
  v_minutes integer := coalesce(require_signature.minutes, (core.setting('core.signature_minutes') #>> '{}')::integer);
  v_payload jsonb;
begin
  if require_signature.signature_id is null then
    perform core.raise_error(
      'core.signature_missing',
      jsonb_build_object('entity', require_signature.entity, 'action', lower(replace(require_signature.meaning, '_', ' ')))
    );
  end if;
  select s.*
  into v_signature
  from core.signature as s
  where s.org_id = core.org_id() and s.id = require_signature.signature_id;
  -- One's own is of this session, too. Whose another's is, the caller of this function says.
  if not found
    or v_signature.signer_id is distinct from coalesce(require_signature.signer_id, core.user_id())
    or (require_signature.signer_id is null and v_signature.session_id::text is distinct from core.claims() ->> 'sid')
    or (v_signature.entity, v_signature.entity_id) is distinct from (require_signature.entity, require_signature.entity_id)
  then
    perform core.raise_error(
      'core.signature_foreign', jsonb_build_object('signature_id', require_signature.signature_id)
    );
  end if;
  if v_signature.meaning <> require_signature.meaning then
    perform core.raise_error(
      'core.signature_meaning_differs',
      jsonb_build_object('expected', require_signature.meaning, 'given', v_signature.meaning)
    );
  end if;
  if v_signature.signed_at < clock_timestamp() - make_interval(mins => v_minutes) then
    perform core.raise_error(
      'core.signature_stale', jsonb_build_object('minutes', v_minutes, 'signed_at', v_signature.signed_at)
    );
  end if;
  v_payload := core.signature_payload(v_signature.entity, v_signature.entity_id);
  if v_payload is null
    or encode(sha256(convert_to(v_payload::text, 'UTF8')), 'hex') <> v_signature.payload_sha256
  then
    perform core.raise_error(
      'core.signature_outdated', jsonb_build_object('entity', v_signature.entity, 'id', v_signature.entity_id)
    );
  end if;
  -- Of two steps that bring the same signature at once the second waits here.
  insert into core.signature_use (org_id, signature_id, step)
  values (v_signature.org_id, v_signature.id, require_signature.meaning)
  on conflict do nothing;
  if not found then
    perform core.raise_error('core.signature_used', jsonb_build_object('signature_id', v_signature.id));
  end if;
  return v_signature;
end
$$;

comment on function core.require_signature(text, uuid, text, uuid, uuid, integer) is
  'Use a signature for a step: of this record and meaning, of the user and session of the request (or of signer_id, another '
  'person who signed himself), not older than core.signature_minutes (or minutes), of a record that has not changed since, and '
  'not used before. Returns it. Raises core.signature_missing, core.signature_meaning_differs, core.signature_stale (422), '
  'core.signature_foreign (403), core.signature_outdated, core.signature_used (409).';

grant execute on function core.require_signature(text, uuid, text, uuid, uuid, integer)
to partner, member, superadmin, migrator;

-- Definer: as core.require_signature; the trigger of a status runs as whoever changes it.
create or replace function core.is_signed_now(table_name text, id uuid)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select
    from core.signature_use as u
    join core.signature as s on s.org_id = u.org_id and s.id = u.signature_id
    join core.event_entity as e on e.entity = s.entity
    where u.org_id = core.org_id()
      and u.xid = pg_current_xact_id_if_assigned()
      and e.table_name = is_signed_now.table_name
      and s.entity_id = is_signed_now.id
  );
end
$$;

comment on function core.is_signed_now(text, uuid) is
  'Whether this transaction used a signature of that row (core.require_signature)';

grant execute on function core.is_signed_now(text, uuid) to partner, member, superadmin, migrator;
